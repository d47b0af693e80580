//! Ids: 64 bits, ordered by time. They can be guessed, so no id is a secret.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::{Error, Result, clock::Time};

/// A generator of ids. The upper 48 bits are the millisecond; the lower 16 count up within it from a salt of this
/// process, so that several nodes on one database rarely generate the same id (where they do, the primary key refuses
/// the second). An id is never below the one before it.
#[derive(Debug)]
pub struct Ids {
    last: AtomicI64,
    salt: u16,
}

impl Ids {
    /// Creates a generator with a random salt.
    pub fn new() -> Self {
        let mut salt = [0; 2];
        // Without randomness the salt is 0, and ids are still unique within this process.
        let _ = getrandom::fill(&mut salt);
        Self::salted(u16::from_le_bytes(salt) / 2)
    }

    /// Creates a generator whose ids depend on the time alone, for tests and screenshots.
    pub const fn salted(salt: u16) -> Self {
        Ids { last: AtomicI64::new(0), salt }
    }

    /// Returns the next id at `now`.
    pub fn next(&self, now: Time) -> i64 {
        let candidate = (now.ms() << 16) | i64::from(self.salt);
        let mut last = self.last.load(Ordering::Relaxed);
        loop {
            let id = candidate.max(last + 1);
            match self.last.compare_exchange_weak(last, id, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return id,
                Err(current) => last = current,
            }
        }
    }
}

impl Default for Ids {
    fn default() -> Self {
        Self::new()
    }
}

/// A client's key for one request, by which a repetition of the request is recognized.
#[derive(Clone, Debug)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Parses 1 to 255 printable ASCII characters.
    pub fn parse(raw: &str) -> Result<Self> {
        let fits = (1..=255).contains(&raw.len()) && raw.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        if !fits {
            return Err(Error::invalid(
                "idempotency_key",
                "An idempotency key has 1 to 255 ASCII characters.",
            ));
        }
        Ok(IdempotencyKey(raw.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns random bytes for secrets, from the operating system.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(Error::internal)?;
    Ok(bytes)
}

/// Formats bytes as lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Defines a type for the ids of each noun, so that the id of a peep can't be passed as that of an account. In JSON and
/// in URLs an id is a decimal string, because numbers in JavaScript are exact only up to 2⁵³.
macro_rules! id_types {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = std::num::ParseIntError;
            fn from_str(s: &str) -> Result<Self, Self::Err> {
                s.parse().map($name)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl serde::de::Visitor<'_> for Visitor {
                    type Value = $name;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an id")
                    }
                    fn visit_i64<E: serde::de::Error>(self, id: i64) -> Result<$name, E> {
                        Ok($name(id))
                    }
                    fn visit_u64<E: serde::de::Error>(self, id: u64) -> Result<$name, E> {
                        i64::try_from(id).map($name).map_err(E::custom)
                    }
                    fn visit_str<E: serde::de::Error>(self, id: &str) -> Result<$name, E> {
                        id.parse().map_err(E::custom)
                    }
                }
                d.deserialize_any(Visitor)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .pattern(Some("^[0-9]{1,19}$"))
                    .examples(["117648912451780310"])
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}

        impl From<$name> for $crate::db::Value<'_> {
            fn from(id: $name) -> Self {
                $crate::db::Value::Int(id.0)
            }
        }

        impl $crate::db::Column for $name {
            type Raw = i64;
            fn from_raw(raw: i64) -> Self {
                $name(raw)
            }
        }
    )*};
}

id_types! {
    /// The id of an account.
    AccountId,
    /// The id of a peep.
    PeepId,
    /// The id of a conversation: a room, a match or a thread.
    ConversationId,
    /// The id of a message.
    MessageId,
    /// The id of a file that was sent with a message.
    AttachmentId,
    /// The id of a picture on a page.
    PictureId,
    /// The id of a contact message to the owner of a page.
    ContactMessageId,
    /// The id of an app.
    AppId,
    /// The id of a token.
    TokenId,
    /// The id of a hook.
    HookId,
    /// The id of a webhook.
    WebhookId,
    /// The id of a delivery to a webhook.
    DeliveryId,
    /// The id of a report.
    ReportId,
    /// The id of a job in the outbox.
    JobId,
}

impl AccountId {
    /// Returns the tone of the account, from 0 to 11. The millisecond is hashed first, so that people who join within
    /// the same minute do not all look alike. Accounts of the same millisecond differ by their number.
    pub fn tone(self) -> u64 {
        let hashed = (self.0 as u64 >> 16).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((hashed >> 32) + 5 * (self.0 as u64 & 0xFFFF)) % 12
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_within_a_millisecond_and_when_the_clock_goes_back() {
        let ids = Ids::salted(0);
        let first = ids.next(Time::from_ms(10));
        let second = ids.next(Time::from_ms(10));
        let third = ids.next(Time::from_ms(9));
        assert!(first < second && second < third);
        assert_eq!(first, 10 << 16);
    }

    #[test]
    fn accounts_of_the_same_millisecond_have_different_tones() {
        let ids = Ids::salted(0);
        let tones: std::collections::BTreeSet<_> =
            (0..12).map(|_| AccountId(ids.next(Time::from_ms(10))).tone()).collect();
        assert_eq!(tones.len(), 12);
    }

    #[test]
    fn an_id_is_a_string_in_json_and_read_from_either() {
        assert_eq!(serde_json::to_string(&PeepId(7)).expect("plain"), r#""7""#);
        assert_eq!(serde_json::from_str::<PeepId>("7").expect("a number"), PeepId(7));
        assert_eq!(serde_json::from_str::<PeepId>(r#""7""#).expect("a string"), PeepId(7));
        assert!(serde_json::from_str::<PeepId>(r#""seven""#).is_err());
    }
}
