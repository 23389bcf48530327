//! SCRAM's hashes (RFC 5802, `ScramFormatter`): what a server keeps instead of a password.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256, Sha512};

/// A SCRAM mechanism (`ScramMechanism`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mechanism {
    /// SCRAM-SHA-256.
    Sha256,
    /// SCRAM-SHA-512.
    Sha512,
}

/// What proves to a server that a client knows the password, and the other way round.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// Authenticates the client.
    pub stored_key: Vec<u8>,
    /// Authenticates the server.
    pub server_key: Vec<u8>,
}

impl Mechanism {
    /// Fewest rounds of the hash that Kafka takes.
    pub const ITERATIONS_MIN: i32 = 4096;
    /// Most rounds of the hash that Kafka takes.
    pub const ITERATIONS_MAX: i32 = 16_384;

    /// The mechanism with this number in requests and records.
    pub fn from_number(number: i8) -> Option<Self> {
        match number {
            1 => Some(Self::Sha256),
            2 => Some(Self::Sha512),
            _ => None,
        }
    }

    /// The number in requests and records.
    pub fn number(self) -> i8 {
        match self {
            Self::Sha256 => 1,
            Self::Sha512 => 2,
        }
    }

    /// The keys that follow from a salted password.
    pub fn keys(self, salted_password: &[u8]) -> Keys {
        let client_key = self.hmac(salted_password, b"Client Key");
        let stored_key = match self {
            Self::Sha256 => Sha256::digest(&client_key).to_vec(),
            Self::Sha512 => Sha512::digest(&client_key).to_vec(),
        };
        Keys { stored_key, server_key: self.hmac(salted_password, b"Server Key") }
    }

    /// The salted password: so many rounds of the hash, which is PBKDF2 with one block.
    pub fn salted(self, password: &[u8], salt: &[u8], iterations: i32) -> Vec<u8> {
        let mut round = self.hmac(password, &[salt, &1_i32.to_be_bytes()].concat());
        let mut salted = round.clone();
        for _ in 1..iterations {
            round = self.hmac(password, &round);
            salted.iter_mut().zip(&round).for_each(|(all, one)| *all ^= one);
        }
        salted
    }

    fn hmac(self, key: &[u8], message: &[u8]) -> Vec<u8> {
        fn of<M: Mac + hmac::digest::KeyInit>(key: &[u8], message: &[u8]) -> Vec<u8> {
            let mut mac = <M as Mac>::new_from_slice(key).expect("hmac takes keys of any length");
            mac.update(message);
            mac.finalize().into_bytes().to_vec()
        }
        match self {
            Self::Sha256 => of::<Hmac<Sha256>>(key, message),
            Self::Sha512 => of::<Hmac<Sha512>>(key, message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;

    fn decode(text: &str) -> Vec<u8> {
        base64::engine::general_purpose::STANDARD.decode(text).unwrap()
    }

    /// The salted password of RFC 7677's example: user "user", password "pencil".
    #[test]
    fn keys_are_those_of_rfc_7677() {
        let salted_password = decode("xKSVEDI6tPlSysH6mUQZOeeOp01r6B3fcJbodRPcYV0=");
        let keys = Mechanism::Sha256.keys(&salted_password);
        assert_eq!(keys.stored_key, decode("WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="));
        assert_eq!(keys.server_key, decode("wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="));
    }

    #[test]
    fn the_longer_hash_has_longer_keys() {
        let keys = Mechanism::Sha512.keys(b"salted");
        assert_eq!((keys.stored_key.len(), keys.server_key.len()), (64, 64));
    }
}
