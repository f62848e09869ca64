"""What summary.json of an ablation and of a search holds."""

from collections.abc import Mapping
from typing import Any

from dlx.runs.documents import NUMBER, count, misfit, short


def _some(shape: Mapping[Any, Any], *needed: str) -> dict[Any, Any]:
    """Return a shape of which only some fields are needed; earlier versions lacked others."""
    return {
        key if key in needed else f"{key.removesuffix('?')}?": own for key, own in shape.items()
    }


_NUMBER = NUMBER | None
_MEAN = {"mean": _NUMBER, "low": _NUMBER, "high": _NUMBER, "n": count}
_VALUES = {"values": [_NUMBER]}
_TEST = {"low": _NUMBER, "high": _NUMBER, "p": _NUMBER, "p_raw": _NUMBER, "n": count}
_WORDS = {"better", "worse", "equivalent", "undecided"}
_STEPS = _TEST | {"difference": _NUMBER, "horizon": _NUMBER, "test": str, "verdict": _WORDS}
_VERSUS = {
    **_TEST,
    "baseline": str,
    "difference": _NUMBER,
    "wins": count,
    "test": str,
    "variance_of_rows?": NUMBER,
    "verdict": _WORDS,
    "basis": str,
    "conclusion?": str,
    "enough_seeds?": count,
    "equivalence": {"margin": _NUMBER, "p": _NUMBER},
    "failures?": {
        "variant": [count],
        "baseline": [count],
        "p": _NUMBER,
        "p_raw": _NUMBER,
        "test": str,
    },
    "why": str,
    "seeds?": count,
    "steps_to?": {str: _STEPS},
    "is_relative?": bool,
}
_VARIANT = _some(
    {
        "name": str,
        "settings": dict,
        "rows?": count,
        "numbers?": [count],
        **dict.fromkeys(("n", "runs", "diverged", "failed", "stopped_early", "parameters"), count),
        **dict.fromkeys(("steps", "examples"), (None, count)),
        **dict.fromkeys(("pretraining_steps", "pretraining_examples"), (None, count)),
        **dict.fromkeys(("seconds", "seconds_per_step"), _NUMBER),
        "metrics": {str: {str: _some(_MEAN | _VALUES)}},
        "success": (
            None,
            {"count": count, "n": count, "rate": _NUMBER, "low": _NUMBER, "high": _NUMBER},
        ),
        "steps_to": {
            str: {
                "threshold": NUMBER,
                "reached": count,
                "n": count,
                "median": _NUMBER,
                "low": _NUMBER,
                "high": _NUMBER,
                "values": [(None, count)],
            }
        },
        "vs_baseline": _some(_VERSUS),
    },
    "name",
    "metrics",
)
_LOOK = {
    "seeds": count,
    "n": count,
    "difference": _NUMBER,
    "low": _NUMBER,
    "high": _NUMBER,
    "of_rows": _NUMBER,
    "p": _NUMBER,
    "verdict": _WORDS,
    "conclusion": str,
}
_FINDING = {
    "name": str,
    "severity": str,
    "reason": str,
    "evidence": dict,
    "layer?": object,
    "step?": count,
    "try": str,
    "runs?": count,
}
_ABLATION = _some(
    {
        "schema": count,
        "rules?": count,
        **dict.fromkeys(("name", "question", "metric", "baseline", "design", "paired_by"), str),
        "rising": bool,
        "also": {
            str: {
                "rising": bool,
                "margin": _NUMBER,
                "variants": {str: {"n": count, "vs_baseline": (None, _VERSUS)}},
            }
        },
        "margin": _NUMBER,
        "confidence": NUMBER,
        "seeds": [count],
        "folds": (None, count),
        "data": [str],
        "success": (None, dict),
        "show": [str],
        "tests": {str: str},
        "sequential?": {
            "until": (str, NUMBER),
            "max": count,
            "looks": [count],
            "confidence": {str: NUMBER},
            "variants": {str: {"seeds": count, "why": str}},
            "standing": {str: str},
            "growth": {str: [_LOOK]},
        },
        "factors": [{"key": str, "label": str, "values": list, "numeric": bool}],
        "variants": [_VARIANT],
        "chosen": (None, {"name": str, "test": {str: _MEAN | _VALUES}}),
        "comparisons?": str,
        "pairs?": [_VERSUS | {"variant": str}],
        "best_group?": {"variants": [str], "beaten_by": {str: str}},
        "effects": (
            None,
            {
                "main": [
                    _TEST | {"factor": str, "level": object, "reference": object, "effect": _NUMBER}
                ],
                "interactions": [_TEST | {"factors": [str], "levels": list, "effect": _NUMBER}],
            },
        ),
        "curves_by_factor": [
            {
                "key": str,
                "label": str,
                "values": [NUMBER],
                "metric": str,
                "over": [str],
                "train?": [_MEAN],
                "dev?": [_MEAN],
                "lines": [{"settings": str, "train?": [_MEAN], "dev?": [_MEAN]}],
            }
        ],
        "per_data": (None, {str: {str: _VERSUS}}),
        "overall": (None, {str: _VERSUS}),
        "warnings": [str],
        "tuning": (
            None,
            {
                str: {
                    "tried": {str: _NUMBER},
                    "runs": count,
                    "steps": count,
                    "edges?": {str: str},
                    str: object,
                }
            },
        ),
        "failures": [
            {
                "variant": str,
                "seed": count,
                "fold": (None, count),
                "status": str,
                "step": (None, count),
                "reason": str | None,
            }
        ],
        "command": str,
        "registered?": {
            "time": str,
            "sha256": str,
            "plan": dict,
            "is_whole": bool,
            "changed": {str: list},
        },
        "findings?": [{"variant": str, "runs": count, "findings": [_FINDING]}],
    },
    "variants",
)
_TRIAL = {
    "number": count,
    "batch": count,
    "settings": dict,
    "state": str | None,
    "values": [_NUMBER],
    "violations": {str: _NUMBER},
    "same_as": (None, count),
    "measured": {str: _NUMBER},
    "steps": count,
    "reason": str,
}
_SIDE = {
    "mean": _NUMBER,
    "values": [_NUMBER],
    "test": (None, _MEAN),
    "diverged": count,
    "failed": count,
    "numbers": [count],
}
_SEARCH = _some(
    {
        "schema": count,
        **dict.fromkeys(("name", "metric", "sampler", "pruner", "command"), str),
        "objectives": [str],
        "rising": [bool],
        "constraints": [str],
        "seed": count,
        "seeds": [count],
        "space": dict,
        "defaults": dict,
        "planned": count,
        "states": {str: count},
        "steps": count,
        "best": (None, _TRIAL),
        "front": [count],
        "importances": {str: NUMBER},
        "verdict": (
            None,
            {
                "answer": str,
                "metric": str,
                "rows": count,
                "rows_apart": bool,
                "seeds": [count],
                "versus": (None, _VERSUS),
                "warnings": [str],
                "values": {"default": _SIDE, "best": _SIDE},
            },
        ),
        "trials": [_some(_TRIAL, "number", "settings", "values", "measured")],
    },
    "trials",
)


def problem(summary: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a summary, or None: its shape, or names of other variants."""
    if said := misfit(summary, _SEARCH if "trials" in summary else _ABLATION, ""):
        return said
    if "trials" in summary:
        return None
    names = {variant["name"] for variant in summary["variants"]}
    told = {
        "chosen": [summary["chosen"]["name"]] if summary.get("chosen") else [],
        "sequential": (summary.get("sequential") or {"growth": {}})["growth"],
        "tuning": summary.get("tuning") or {},
        "findings": [own["variant"] for own in summary.get("findings") or []],
        "failures": [own["variant"] for own in summary.get("failures") or []],
    }
    for field, variants in told.items():
        if unknown := set(variants) - names:
            return f"its {field} names {short(repr(min(unknown)))}, which is none of its variants"
    return None
