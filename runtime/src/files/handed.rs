//! What an engine host reads on its stdin where it sees no file of the cluster: who its controller is, and the profile.

use std::io::Read;
use std::path::PathBuf;

use rpar_core::connection::ConnectionFile;
use serde::{Deserialize, Serialize};

use super::FileError;

/// The most that is read. A profile has some hundred lines, and more would not pass through the launcher either.
const LIMIT_BYTES: u64 = 1 << 20;

/// What is handed over.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handed {
    /// The resolved profile, as TOML.
    pub profile: String,
    /// The connection file of role engine.
    pub connection: ConnectionFile,
}

impl Handed {
    /// Reads it to its end.
    ///
    /// # Errors
    /// When it cannot be read, or is something else.
    pub fn read(from: impl Read) -> Result<Handed, FileError> {
        let path = || PathBuf::from("what was handed over on stdin");
        let mut text = String::new();
        let read = from.take(LIMIT_BYTES).read_to_string(&mut text);
        read.map_err(|source| FileError::Io { action: "read", path: path(), source })?;
        // the parser's message quotes the line it stumbles over, which may be the secret's
        let parsed = toml::from_str(&text);
        parsed.map_err(|error| FileError::Malformed { path: path(), reason: error.message().to_owned() })
    }

    /// The text to hand over.
    ///
    /// # Errors
    /// When it has no form in TOML, which all of it has that was read from TOML.
    pub fn text(&self) -> Result<String, FileError> {
        toml::to_string(self)
            .map_err(|error| FileError::Malformed { path: "profile".into(), reason: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rpar_core::connection::{Role, Secret};
    use rpar_core::id::Incarnation;
    use rpar_core::transport::{Endpoint, PeerKey};

    #[test]
    fn what_is_handed_over_arrives_and_shows_no_secret() {
        let handed = Handed {
            profile: "a = '''\nit''s'''\n[b]\nc = \"\\u0001\"\n".to_owned(),
            connection: ConnectionFile {
                cluster: "hosts/default".to_owned(),
                role: Role::Engine,
                incarnation: Incarnation(7),
                endpoints: vec![Endpoint("tcp://127.0.0.1:7000".to_owned())],
                controller_key: PeerKey([3; 32]),
                secret: Secret::new([0xab; 32]),
            },
        };
        let text = handed.text().unwrap();
        let read = Handed::read(text.as_bytes()).unwrap();
        assert_eq!((read.profile, read.connection), (handed.profile, handed.connection));
        for damaged in ["", &text[..text.len() / 2], &text.replace("secret", "sekret")] {
            let error = Handed::read(damaged.as_bytes()).unwrap_err().to_string();
            assert!(!error.contains("abab"), "{error}");
        }
    }
}
