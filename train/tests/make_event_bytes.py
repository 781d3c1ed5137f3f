"""Prints the bytes that TensorBoard itself writes for the two events in the test of train/src/report/tensorboard.rs."""

import io

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

events = [
    Event(wall_time=1_700_000_000.5, file_version="brain.Event:2"),
    Event(
        wall_time=1_700_000_001.25,
        step=300,
        summary=Summary(
            value=[
                Summary.Value(tag="train/loss", simple_value=2.5),
                Summary.Value(tag="train/skipped", simple_value=0.0),
            ]
        ),
    ),
]
file = io.BytesIO()
writer = RecordWriter(file)
for event in events:
    writer.write(event.SerializeToString())
print(file.getvalue().hex())
