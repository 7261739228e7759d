//! Connection files and the proof of a role: who may link to a controller, and as what.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::Sha256;

use crate::id::Incarnation;
use crate::transport::{Endpoint, PeerKey};

/// What a peer may do on its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Submits work, asks questions, stops the cluster.
    Client,
    /// Runs work: engine hosts and pilots.
    Engine,
}

/// What a process needs to link to a controller in one role. Written with mode 0600 from the moment it exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionFile {
    /// The cluster, as `PROFILE/CLUSTER_ID`.
    pub cluster: String,
    /// The role that the secret proves.
    pub role: Role,
    /// The controller's life that this file belongs to.
    pub incarnation: Incarnation,
    /// Where the controller listens, best first.
    pub endpoints: Vec<Endpoint>,
    /// The controller's public key.
    #[serde(with = "hex_key")]
    pub controller_key: PeerKey,
    /// The role's secret.
    pub secret: Secret,
}

/// 32 secret bytes, which never show in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Takes 32 random bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Secret(bytes)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        from_hex(&text).map(Secret).ok_or_else(|| D::Error::custom("a secret is 64 hexadecimal digits"))
    }
}

/// What a role's secret vouches for. Every field is bound into the proof.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The controller's key, proven by the transport.
    pub controller: &'a PeerKey,
    /// The dialler's key, proven by the transport.
    pub peer: &'a PeerKey,
    /// The role it wants.
    pub role: Role,
    /// The cluster it means.
    pub cluster: &'a str,
    /// The controller's life it means.
    pub incarnation: Incarnation,
}

impl Claim<'_> {
    /// Proves the claim: HMAC-SHA-256 (RFC 2104) under the role's secret.
    pub fn prove(&self, secret: &Secret) -> [u8; 32] {
        self.mac(secret).finalize().into_bytes().into()
    }

    /// Whether `proof` is right, in time that does not depend on where it is wrong.
    pub fn verify(&self, secret: &Secret, proof: &[u8]) -> bool {
        self.mac(secret).verify_slice(proof).is_ok()
    }

    fn mac(&self, secret: &Secret) -> Hmac<Sha256> {
        // a key of the hash's block length or less is used as it is, so a 32-byte key always fits
        let mut key = hmac::digest::Key::<Hmac<Sha256>>::default();
        key[..32].copy_from_slice(&secret.0);
        let mut mac = <Hmac<Sha256> as KeyInit>::new(&key);
        mac.update(b"rpar role proof v1");
        mac.update(&self.controller.0);
        mac.update(&self.peer.0);
        mac.update(&[self.role as u8]);
        mac.update(&self.incarnation.0.to_le_bytes());
        mac.update(self.cluster.as_bytes());
        mac
    }
}

mod hex_key {
    use super::{PeerKey, from_hex, to_hex};
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(key: &PeerKey, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_hex(&key.0))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PeerKey, D::Error> {
        let text = String::deserialize(deserializer)?;
        from_hex(&text).map(PeerKey).ok_or_else(|| D::Error::custom("a key is 64 hexadecimal digits"))
    }
}

fn to_hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_binds_every_field() {
        let (controller, peer, other) = (PeerKey([1; 32]), PeerKey([2; 32]), PeerKey([3; 32]));
        let secret = Secret::new([7; 32]);
        let claim = Claim {
            controller: &controller,
            peer: &peer,
            role: Role::Client,
            cluster: "local/default",
            incarnation: Incarnation(9),
        };
        let proof = claim.prove(&secret);
        assert!(claim.verify(&secret, &proof));
        let changed = [
            Claim { controller: &other, ..claim },
            Claim { peer: &other, ..claim },
            Claim { role: Role::Engine, ..claim },
            Claim { cluster: "local/other", ..claim },
            Claim { incarnation: Incarnation(8), ..claim },
        ];
        for claim in changed {
            assert!(!claim.verify(&secret, &proof), "{claim:?}");
        }
        assert!(!claim.verify(&Secret::new([8; 32]), &proof));
        assert!(!claim.verify(&secret, &proof[..31]));
    }

    #[test]
    fn hex_is_strict() {
        assert_eq!(from_hex(&to_hex(&[0xab; 32])), Some([0xab; 32]));
        assert_eq!(from_hex("ab"), None);
        assert_eq!(from_hex(&"g".repeat(64)), None);
        assert_eq!(from_hex(&"é".repeat(32)), None);
    }
}
