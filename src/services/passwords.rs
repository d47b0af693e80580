//! Hashing passwords, on a bounded pool.

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};

use super::pool::Pool;
use crate::{Error, Result};

/// The hashes that may wait or run. At some 20 ms each the last one takes about ten seconds on a small machine; further
/// ones are refused as [`Error::Busy`].
const MAX_WAITING: usize = 400;

/// The hashing service: Argon2id with the parameters that OWASP recommends and the crate has as its defaults (19 MiB,
/// two passes, one lane).
pub struct Passwords {
    pool: Pool,
    nobody: String,
}

impl Passwords {
    /// Creates the service, and hashes the password of [`Passwords::verify`] for accounts that do not exist.
    #[expect(clippy::new_without_default, reason = "it takes a moment, which Default should not")]
    pub fn new() -> Self {
        Passwords {
            pool: Pool::new(MAX_WAITING),
            nobody: hash("nobody has this password").unwrap_or_default(),
        }
    }

    /// Returns the hash to store, as a PHC string with a random salt.
    pub async fn hash(&self, password: &str) -> Result<String> {
        let password = password.to_owned();
        self.pool.run(move || hash(&password)).await
    }

    /// Returns whether the password is the one that was hashed. Without a hash the work is the same, so that the time
    /// does not reveal which accounts exist.
    pub async fn verify(&self, password: &str, hash: Option<String>) -> Result<bool> {
        // No stored password is longer, and Argon2 would read all of it.
        let password = if password.len() > 1000 { String::new() } else { password.to_owned() };
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.nobody.clone());
        let matches = self
            .pool
            .run(move || {
                let hash = PasswordHash::new(&hash).map_err(Error::internal)?;
                Ok(Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
            })
            .await?;
        Ok(matches && known)
    }
}

fn hash(password: &str) -> Result<String> {
    let hash = Argon2::default().hash_password(password.as_bytes()).map_err(Error::internal)?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_someone_real_is_right() {
        let pool = Passwords::new();
        let stored = pool.hash("a heron on the slip").await.expect("hashed");
        assert!(stored.starts_with("$argon2id$"));
        assert!(pool.verify("a heron on the slip", Some(stored.clone())).await.expect("checked"));
        assert!(!pool.verify("a heron on the slop", Some(stored)).await.expect("checked"));
        assert!(!pool.verify("nobody has this password", None).await.expect("checked"));
    }
}
