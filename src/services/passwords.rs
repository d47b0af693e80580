//! Hashing passwords, on a bounded pool.

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};

use super::pool::Pool;
use crate::{Error, Result};

/// Who may wait for their turn. At some 20 ms each this is about ten seconds on a small machine;
/// whoever comes then is told to come back.
const WAITING: usize = 400;

/// The pool. Argon2id with the parameters that OWASP recommends and the crate has as its
/// defaults: 19 MiB, two passes, one lane.
pub struct Passwords {
    pool: Pool,
    nobody: String,
}

impl Passwords {
    /// Ready to hash.
    #[expect(clippy::new_without_default, reason = "it takes a moment, which Default should not")]
    pub fn new() -> Self {
        Passwords { pool: Pool::new(WAITING), nobody: hash("nobody has this password").unwrap_or_default() }
    }

    /// The hash to store, as a PHC string with a salt of its own.
    pub async fn hash(&self, password: &str) -> Result<String> {
        let password = password.to_owned();
        self.pool.run(move || hash(&password)).await
    }

    /// Whether the password is the one that was hashed. Without a hash the work is the same, so
    /// that the time tells nobody which accounts there are.
    pub async fn verify(&self, password: &str, hash: Option<String>) -> Result<bool> {
        // No stored password is longer, and Argon2 would read it all.
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
