//! Hashing passwords, on a bounded pool.

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};

use super::pool::Pool;
use crate::{Error, Result};

/// The maximum number of hashes that wait or run. At some 20 ms each the last one takes about ten seconds on a small
/// machine; further ones are refused as [`Error::Busy`].
const MAX_WAITING: usize = 400;

/// The hashing service: Argon2id with the parameters that OWASP recommends and the crate has as its defaults (19 MiB,
/// two passes, one lane).
pub struct Passwords {
    pool: Pool,
    /// The hash against which a password is verified where there is no account.
    dummy: String,
}

impl Passwords {
    /// Creates the service, and the hash that [`Passwords::verify`] uses where there is no account.
    #[expect(clippy::new_without_default, reason = "hashing takes a moment, and Default should be cheap")]
    pub fn new() -> Self {
        Passwords {
            pool: Pool::new(MAX_WAITING),
            dummy: hash("nobody has this password").unwrap_or_default(),
        }
    }

    /// Returns the hash to store, as a PHC string with a random salt.
    pub async fn hash(&self, password: &str) -> Result<String> {
        let password = password.to_owned();
        self.pool.run(move || hash(&password)).await
    }

    /// Returns whether the password is the one that was hashed. Without a hash the work is the same and the result is
    /// false, so that the time does not reveal which accounts exist.
    pub async fn verify(&self, password: &str, hash: Option<String>) -> Result<bool> {
        // No stored password has more than 1,000 bytes, and Argon2 would read all of a longer one.
        let password = if password.len() > 1000 { String::new() } else { password.to_owned() };
        let exists = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.dummy.clone());
        let matches = self
            .pool
            .run(move || {
                let hash = PasswordHash::new(&hash).map_err(Error::internal)?;
                Ok(Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
            })
            .await?;
        Ok(matches && exists)
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
    async fn only_the_right_password_of_an_existing_account_is_accepted() {
        let passwords = Passwords::new();
        let stored = passwords.hash("a heron on the slip").await.expect("hashed");
        assert!(stored.starts_with("$argon2id$"));
        assert!(passwords.verify("a heron on the slip", Some(stored.clone())).await.expect("checked"));
        assert!(!passwords.verify("a heron on the slop", Some(stored)).await.expect("checked"));
        assert!(!passwords.verify("nobody has this password", None).await.expect("checked"));
    }
}
