//! The event file from which TensorBoard shows a run. It is a sequence of TFRecords, each of which holds a protocol
//! buffer `Event`:
//!
//! | bytes | content |
//! |---|---|
//! | 8 | length of the message, little-endian |
//! | 4 | masked CRC-32C sum of these 8 bytes, little-endian |
//! | length | the message |
//! | 4 | masked CRC-32C sum of the message, little-endian |

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use attend_data::DataError;
use prost::Message;

use crate::record::Record;

/// The folder in a run's folder that holds the event file.
const TENSORBOARD: &str = "tensorboard";
/// The beginning of an event file's name, by which TensorBoard finds it.
const PREFIX: &str = "events.out.tfevents.";
/// The version of the format, which the first event of a file names.
const FILE_VERSION: &str = "brain.Event:2";

/// The fields of TensorFlow's `event.proto` that scalars need.
#[derive(Clone, PartialEq, Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    // An optional field is written even if it is zero.
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// The event file of a run that is under way.
pub(super) struct EventFile {
    file: File,
    path: PathBuf,
    /// The time at which the run would have begun if it had never paused.
    began: SystemTime,
}

impl EventFile {
    /// Writes `records` into a new event file, and removes older event files. The new file has a new name, which makes
    /// a running TensorBoard reread the run from its beginning. The run has taken `seconds` so far, without pauses. The
    /// time of an event is the time at which the run began plus the seconds of the event's record.
    ///
    /// # Errors
    ///
    /// Returns [`DataError::Write`] if the folder or a file in it cannot be written.
    pub(super) fn create(run_folder: &Path, records: &[Record], seconds: f64) -> Result<Self, DataError> {
        let folder = run_folder.join(TENSORBOARD);
        let now = SystemTime::now();
        let name = format!("{PREFIX}{:010}.attend", seconds_since_1970(now) as u64);
        let path = folder.join(name);
        let file = clear(&folder)
            .and_then(|()| File::create(&path))
            .map_err(|error| DataError::write(&path, error))?;
        let spent = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let began = now.checked_sub(spent).unwrap_or(now);
        let mut event_file = Self { file, path, began };
        let mut events = framed(&Event {
            wall_time: seconds_since_1970(began),
            file_version: Some(FILE_VERSION.to_owned()),
            ..Event::default()
        });
        events.extend(
            records
                .iter()
                .flat_map(|record| framed(&event_file.event(record))),
        );
        event_file.append(&events)?;
        Ok(event_file)
    }

    /// Appends a record.
    ///
    /// # Errors
    ///
    /// Returns [`DataError::Write`] if the file cannot be written.
    pub(super) fn write(&mut self, record: &Record) -> Result<(), DataError> {
        self.append(&framed(&self.event(record)))
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), DataError> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| DataError::write(&self.path, error))
    }

    fn event(&self, record: &Record) -> Event {
        let values = record.scalars().into_iter().map(|(tag, value)| Value {
            tag: tag.to_owned(),
            simple_value: Some(value as f32),
        });
        Event {
            wall_time: seconds_since_1970(self.began) + record.seconds(),
            step: record.update() as i64,
            summary: Some(Summary {
                value: values.collect(),
            }),
            ..Event::default()
        }
    }
}

/// Creates the folder if it does not exist. Otherwise removes the event files in it.
fn clear(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made,
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn framed(event: &Event) -> Vec<u8> {
    let message = event.encode_to_vec();
    let length = (message.len() as u64).to_le_bytes();
    let masked_sum = |bytes: &[u8]| masked(crc32c::crc32c(bytes)).to_le_bytes();
    [&length[..], &masked_sum(&length), &message, &masked_sum(&message)].concat()
}

/// Masks a CRC as the TFRecord format does. The format stores masked CRCs because the CRC of data that itself contains
/// CRCs is a weak check.
fn masked(sum: u32) -> u32 {
    sum.rotate_right(15).wrapping_add(0xa282_ead8)
}

fn seconds_since_1970(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected bytes are from TensorBoard's own writer: `train/tests/make_event_bytes.py`.
    #[test]
    fn events_are_written_as_tensorboard_writes_them() {
        let first = Event {
            wall_time: 1_700_000_000.5,
            file_version: Some(FILE_VERSION.to_owned()),
            ..Event::default()
        };
        let value = |tag: &str, value| Value {
            tag: tag.to_owned(),
            simple_value: Some(value),
        };
        let second = Event {
            wall_time: 1_700_000_001.25,
            step: 300,
            summary: Some(Summary {
                value: vec![value("train/loss", 2.5), value("train/skipped", 0.0)],
            }),
            ..Event::default()
        };
        let bytes = [framed(&first), framed(&second)].concat();
        let hexadecimal: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hexadecimal,
            concat!(
                "1800000000000000a37f4b220900002040fc54d9411a0d627261696e2e4576656e743a322b35311037000000",
                "00000000e7e8ca590900005040fc54d94110ac022a290a110a0a747261696e2f6c6f737315000020400a140a",
                "0d747261696e2f736b69707065641500000000e803e28c"
            )
        );
    }
}
