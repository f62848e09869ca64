"""TensorBoard's protocol buffers: classes made at run time, `Any` to type checkers."""

# pyright: reportAttributeAccessIssue=false

from typing import Any

from tensorboard.compat.proto import (
    attr_value_pb2,
    event_pb2,
    graph_pb2,
    summary_pb2,
    tensor_pb2,
    tensor_shape_pb2,
    types_pb2,
)
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2
from tensorboard.plugins.projector import projector_config_pb2

Event: Any = event_pb2.Event
AttrValue: Any = attr_value_pb2.AttrValue
GraphDef: Any = graph_pb2.GraphDef
SessionLog: Any = event_pb2.SessionLog
Summary: Any = summary_pb2.Summary
SummaryMetadata: Any = summary_pb2.SummaryMetadata
TensorProto: Any = tensor_pb2.TensorProto
TensorShapeProto: Any = tensor_shape_pb2.TensorShapeProto
DT_FLOAT: Any = types_pb2.DT_FLOAT
DT_STRING: Any = types_pb2.DT_STRING
HParamsPluginData: Any = plugin_data_pb2.HParamsPluginData
SessionStartInfo: Any = plugin_data_pb2.SessionStartInfo
SessionEndInfo: Any = plugin_data_pb2.SessionEndInfo
Status: Any = api_pb2.Status
Experiment: Any = api_pb2.Experiment
DataType: Any = api_pb2.DataType
Layout: Any = layout_pb2.Layout
Category: Any = layout_pb2.Category
ProjectorConfig: Any = projector_config_pb2.ProjectorConfig
