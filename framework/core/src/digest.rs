//! SHA-256 digests, in lower-case hex.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// A SHA-256 digest that grows.
#[derive(Clone, Debug, Default)]
pub struct Fingerprint(Sha256);

impl Fingerprint {
    /// Adds bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(bytes);
        self
    }

    /// Adds a part with its length in front, so that parts cannot run into each other.
    pub fn part(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.bytes(bytes)
    }

    /// The digest of all that was added.
    pub fn hex(&self) -> String {
        self.0.clone().finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("writing to a string cannot fail");
            hex
        })
    }
}

/// SHA-256 of bytes.
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    Fingerprint::default().bytes(bytes.as_ref()).hex()
}

/// SHA-256 of a list of positions as little-endian 32-bit words: the identity of a subset.
pub fn sha256_of_positions(positions: &[u32]) -> String {
    let mut fingerprint = Fingerprint::default();
    for position in positions {
        fingerprint.bytes(&position.to_le_bytes());
    }
    fingerprint.hex()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_sha256() {
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc"), abc);
        assert_eq!(Fingerprint::default().bytes(b"a").bytes(b"bc").hex(), abc);
        assert_eq!(sha256_of_positions(&[0x64_63_62_61]), sha256(b"abcd"));
        let (mut one, mut other) = (Fingerprint::default(), Fingerprint::default());
        assert_ne!(one.part(b"a").part(b"bc").hex(), other.part(b"ab").part(b"c").hex());
    }
}
