//! A reader of TensorBoard's event files, which shares no code with their writer.

use std::fs;
use std::path::Path;

/// A number that TensorBoard shows: its tag, the update as its step, and its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scalar {
    pub(crate) tag: String,
    pub(crate) step: u64,
    pub(crate) wall_time: f64,
    pub(crate) value: f32,
}

/// Returns all scalars that TensorBoard finds in a run's folder, in their order.
pub(crate) fn scalars(run: &Path) -> Vec<Scalar> {
    let mut scalars = Vec::new();
    let entries = fs::read_dir(run.join("tensorboard")).expect("the run made its folder");
    for entry in entries.map(|entry| entry.unwrap()) {
        let name = entry.file_name().into_string().unwrap();
        assert!(name.contains("tfevents"), "TensorBoard does not read {name}");
        for event in messages(&fs::read(entry.path()).unwrap()) {
            read_event(event, &mut scalars);
        }
    }
    scalars
}

/// Returns the messages in TFRecords, and panics if one of their checksums is wrong.
fn messages(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let (head, rest) = bytes.split_at(12);
        let (length, sum) = head.split_at(8);
        assert_eq!(masked_sum(length), sum);
        let (message, rest) = rest.split_at(u64::from_le_bytes(length.try_into().unwrap()) as usize);
        let (sum, rest) = rest.split_at(4);
        assert_eq!(masked_sum(message), sum);
        messages.push(message);
        bytes = rest;
    }
    messages
}

/// Computes the checksum CRC-32C bit by bit (RFC 3720, appendix B.4), masked as in TFRecords.
fn masked_sum(bytes: &[u8]) -> [u8; 4] {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            let polynomial = if sum & 1 == 1 { 0x82f6_3b78 } else { 0 };
            sum = (sum >> 1) ^ polynomial;
        }
    }
    let sum = !sum;
    sum.rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

fn read_event(event: &[u8], scalars: &mut Vec<Scalar>) {
    let (mut wall_time, mut step, mut values) = (0.0, 0, Vec::new());
    for (number, field) in fields(event) {
        match (number, field) {
            (1, Field::Eight(bytes)) => wall_time = f64::from_le_bytes(bytes),
            (2, Field::Number(number)) => step = number,
            (3, Field::Bytes(version)) => assert_eq!(version, b"brain.Event:2"),
            (5, Field::Bytes(summary)) => values = fields(summary),
            (number, _) => panic!("unexpected field {number}"),
        }
    }
    for (_, value) in values {
        let Field::Bytes(value) = value else {
            panic!("a summary's value is a message");
        };
        let value = fields(value);
        let [(1, Field::Bytes(tag)), (2, Field::Four(value))] = value.as_slice() else {
            panic!("a value has a tag and a number");
        };
        scalars.push(Scalar {
            tag: String::from_utf8(tag.to_vec()).unwrap(),
            step,
            wall_time,
            value: f32::from_le_bytes(*value),
        });
    }
}

/// The value of a protocol buffer's field, by the way in which it is encoded.
enum Field<'a> {
    Number(u64),
    Eight([u8; 8]),
    Bytes(&'a [u8]),
    Four([u8; 4]),
}

/// Returns the fields of a message with their numbers.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = number(&mut bytes);
        let field = match key & 7 {
            0 => Field::Number(number(&mut bytes)),
            1 => Field::Eight(take(&mut bytes, 8).try_into().unwrap()),
            2 => {
                let length = number(&mut bytes) as usize;
                Field::Bytes(take(&mut bytes, length))
            }
            5 => Field::Four(take(&mut bytes, 4).try_into().unwrap()),
            encoding => panic!("unexpected encoding {encoding}"),
        };
        fields.push((key >> 3, field));
    }
    fields
}

/// Takes a number that is stored in seven bits a byte, the lowest bits first.
fn number(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..).step_by(7) {
        let byte = take(bytes, 1)[0];
        number |= u64::from(byte & 127) << shift;
        if byte < 128 {
            break;
        }
    }
    number
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(length);
    *bytes = rest;
    taken
}
