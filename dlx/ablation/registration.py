"""What an ablation asks and how it will be judged, kept before its first run.

run.json has the document and its SHA-256 from before training. A report compares it with the plan
as it is now: whoever adds seeds after a look at the results, or takes another margin, is told of.
"""

import json
from collections.abc import Mapping
from typing import Any

from dlx.ablation.plan import Plan
from dlx.ablation.variants import show
from dlx.config.dump import to_plain
from dlx.runs import timestamp
from dlx.runs.documents import sha256

KEY = "registered"
"""Of run.json and summary.json."""
_KEYS = ("question", "metric", "also", "margin", "comparisons", "seeds", "splits", "folds")
_MORE = ("success", "steps_to", "tune", "tune_seeds")


def document(plan: Plan) -> dict[str, Any]:
    """Return question, variants and analysis, as plain values."""
    section = to_plain(plan.section)
    return {
        **{key: section[key] for key in (*_KEYS, *_MORE)},
        "metric": plan.metric,
        "baseline": plan.baseline,
        "variants": [variant.name for variant in plan.variants],
        "rules": plan.rules,
    }


def digest(registered: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a document: of its JSON with sorted keys, without white space."""
    text = json.dumps(registered, sort_keys=True, separators=(",", ":"), default=str)
    return sha256(text.encode())


def register(plan: Plan) -> dict[str, Any]:
    """Return the entry of run.json."""
    own = json.loads(json.dumps(document(plan), default=str))
    return {"time": timestamp(), "sha256": digest(own), "plan": own}


def report(plan: Plan, info: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the entry with what has changed since, by key; None if nothing was kept."""
    entry = info.get(KEY)
    if not entry:
        return None
    was, now = entry["plan"], json.loads(json.dumps(document(plan), default=str))
    changed = {key: [was.get(key), now[key]] for key in now if was.get(key) != now[key]}
    return {**entry, "is_whole": digest(was) == entry["sha256"], "changed": changed}


def changes(entry: Mapping[str, Any]) -> list[str]:
    """Return what has changed since, a text for each key: `seeds: 10, now 20`."""
    return [f"{key}: {show(was)}, now {show(now)}" for key, (was, now) in entry["changed"].items()]


def warnings(entry: Mapping[str, Any] | None) -> list[str]:
    """Return a sentence if the plan has changed since the first run."""
    if not entry or not (changed := changes(entry)):
        return []
    advice = ""
    if "seeds" in entry["changed"]:
        advice = (
            " Seeds that are added after a look at the results raise the rate of false verdicts, "
            "unless ablation.seeds has until from the start."
        )
    return [f"The plan has changed since the first run ({'; '.join(changed)}).{advice}"]
