//! Arguments and results of functions as payloads: CBOR, and [`Bytes`] as they are.

use std::any::{Any, type_name};

use bytes::{BufMut, Bytes, BytesMut};
use ciborium::de;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Writes a value. `scratch` is memory that serves again once its payloads are gone.
pub(super) fn encode<T: Serialize + 'static>(value: &T, scratch: &mut BytesMut) -> Result<Bytes, String> {
    if let Some(bytes) = (value as &dyn Any).downcast_ref::<Bytes>() {
        return Ok(bytes.clone());
    }
    let written = ciborium::into_writer(value, scratch.writer());
    let payload = scratch.split().freeze();
    match written {
        Ok(()) => Ok(payload),
        Err(error) => Err(format!("a {} that cannot be written as CBOR: {error}", type_name::<T>())),
    }
}

/// Reads what [`encode`] wrote.
pub(super) fn decode<T: DeserializeOwned + 'static>(payload: &Bytes) -> Result<T, String> {
    let mut value: Option<T> = None;
    if let Some(bytes) = (&mut value as &mut dyn Any).downcast_mut::<Option<Bytes>>() {
        *bytes = Some(payload.clone());
    }
    if let Some(value) = value {
        return Ok(value);
    }
    ciborium::from_reader(payload.as_ref())
        .map_err(|error| format!("no {}: {}", type_name::<T>(), reason(&error)))
}

fn reason(error: &de::Error<std::io::Error>) -> String {
    match error {
        de::Error::Semantic(_, reason) => reason.clone(),
        de::Error::Syntax(at) => format!("byte {at} is no CBOR"),
        de::Error::RecursionLimitExceeded => "it is nested too deep".to_owned(),
        de::Error::Io(_) => "it ends too early".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::path::PathBuf;

    #[test]
    fn values_come_back_and_bytes_are_not_touched() {
        let mut scratch = BytesMut::new();
        let value = (BTreeMap::from([(-1, Some(PathBuf::from("a")))]), 1.5, vec![()]);
        let payload = encode(&value, &mut scratch).unwrap();
        assert_eq!(decode::<(BTreeMap<i32, Option<PathBuf>>, f64, Vec<()>)>(&payload).unwrap(), value);
        let bytes = Bytes::from_static(b"\xff raw");
        let payload = encode(&bytes, &mut scratch).unwrap();
        assert_eq!(payload.as_ptr(), bytes.as_ptr(), "not even copied");
        assert_eq!(decode::<Bytes>(&payload).unwrap().as_ptr(), bytes.as_ptr());
    }

    #[test]
    fn what_cannot_be_written_or_read_is_named() {
        let mut scratch = BytesMut::new();
        let path = PathBuf::from(OsStr::from_bytes(b"\xff"));
        let error = encode(&path, &mut scratch).unwrap_err();
        assert!(error.contains("PathBuf") && error.contains("UTF-8"), "{error}");
        let payload = encode(&"seven", &mut scratch).unwrap();
        assert_eq!(decode::<String>(&payload).unwrap(), "seven", "a failure before leaves nothing behind");
        let error = decode::<u64>(&payload).unwrap_err();
        assert_eq!(error, "no u64: invalid type: string, expected integer");
        let error = decode::<(u8, u8)>(&Bytes::from_static(&[0x82, 1])).unwrap_err();
        assert_eq!(error, "no (u8, u8): it ends too early");
        assert!(decode::<u8>(&Bytes::from_static(&[0xff])).is_err());
    }
}
