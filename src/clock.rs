//! Time, which is passed in. No other code in the crate may read the machine's clock (clippy's `disallowed-methods`
//! checks this), so that a test can move through a day in a millisecond.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jiff::{Span, tz::TimeZone};
use tokio::sync::watch;

/// A point in time: milliseconds since 1970-01-01T00:00:00Z, in the databases too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Time(i64);

impl Time {
    /// Returns the time `ms` milliseconds after the Unix epoch.
    pub const fn from_ms(ms: i64) -> Self {
        Time(ms)
    }

    /// Returns the milliseconds since the Unix epoch.
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// Returns the time that has passed since `earlier`; zero if `earlier` is later.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_millis(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }

    /// Parses RFC 3339 in any offset, as `2026-11-20T14:31:07Z`.
    pub fn parse(raw: &str) -> Option<Self> {
        raw.trim().parse::<jiff::Timestamp>().ok().map(|t| Time(t.as_millisecond()))
    }

    /// Formats the time as RFC 3339 in UTC with milliseconds, as `2026-11-20T14:31:07.512Z`.
    pub fn rfc3339(self) -> String {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(t) => format!("{t:.3}"),
            Err(_) => String::from("1970-01-01T00:00:00.000Z"),
        }
    }

    /// Returns the calendar date and time in UTC.
    pub fn utc(self) -> jiff::civil::DateTime {
        jiff::Timestamp::from_millisecond(self.0)
            .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
            .to_zoned(TimeZone::UTC)
            .datetime()
    }

    /// Returns the midnight at the beginning of the week's Monday, in UTC.
    pub fn monday(self) -> Self {
        let date = self.utc().date();
        let monday = date.saturating_sub(Span::new().days(date.weekday().to_monday_zero_offset()));
        // Only a date at the ends of the calendar, in the years -9999 and 9999, has no timestamp.
        monday.to_zoned(TimeZone::UTC).map_or(self, |midnight| Time(midnight.timestamp().as_millisecond()))
    }
}

impl std::ops::Add<Duration> for Time {
    type Output = Time;
    fn add(self, d: Duration) -> Time {
        Time(self.0.saturating_add(i64::try_from(d.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl std::ops::Sub<Duration> for Time {
    type Output = Time;
    fn sub(self, d: Duration) -> Time {
        Time(self.0.saturating_sub(i64::try_from(d.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

/// A source of time. Clones share one clock.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The clock of the machine.
    #[default]
    System,
    /// A clock that stands still until it is moved, for tests and for `chitter seed`.
    Manual(Arc<watch::Sender<Time>>),
}

impl Clock {
    /// Creates a clock that shows `start` until [`Clock::set`] or [`Clock::advance`] moves it.
    pub fn manual(start: Time) -> Self {
        Clock::Manual(Arc::new(watch::Sender::new(start)))
    }

    /// Returns the present time.
    #[expect(clippy::disallowed_methods, reason = "the only reader of the machine's clock")]
    pub fn now(&self) -> Time {
        match self {
            Clock::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Time(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
            Clock::Manual(current) => *current.borrow(),
        }
    }

    /// Moves a manual clock forward, and wakes the tasks that sleep until then. The clock of the machine stays.
    pub fn advance(&self, by: Duration) {
        if let Clock::Manual(current) = self {
            current.send_modify(|now| *now = *now + by);
        }
    }

    /// Sets a manual clock. The clock of the machine stays.
    pub fn set(&self, to: Time) {
        if let Clock::Manual(current) = self {
            current.send_replace(to);
        }
    }

    /// Waits until the clock shows `time`.
    pub async fn sleep_until(&self, time: Time) {
        match self {
            Clock::System => tokio::time::sleep(time.since(self.now())).await,
            Clock::Manual(current) => {
                let mut times = current.subscribe();
                // The sender is in `self`, so the wait ends only when the clock reaches `time`.
                let _ = times.wait_for(|now| *now >= time).await;
            }
        }
    }
}

/// Rate limits use the same clock, so that a test can let them recover.
impl governor::clock::Clock for Clock {
    type Instant = governor::nanos::Nanos;

    fn now(&self) -> Self::Instant {
        let ms = u64::try_from(Clock::now(self).ms()).unwrap_or(0);
        Duration::from_millis(ms).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_formatted_as_rfc_3339_with_milliseconds() {
        assert_eq!(Time::from_ms(0).rfc3339(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Time::from_ms(1_795_185_067_512).rfc3339(), "2026-11-20T14:31:07.512Z");
    }

    #[test]
    fn the_time_since_a_later_time_is_zero() {
        assert_eq!(Time::from_ms(5).since(Time::from_ms(9)), Duration::ZERO);
    }

    #[test]
    fn a_week_begins_on_monday() {
        let at = |text: &str| Time::parse(text).expect("a time");
        for (now, monday) in [
            ("2026-11-23T00:00:00Z", "2026-11-23T00:00:00Z"),
            ("2026-11-22T23:59:59Z", "2026-11-16T00:00:00Z"),
            ("1970-01-01T00:00:00Z", "1969-12-29T00:00:00Z"),
        ] {
            assert_eq!(at(now).monday(), at(monday), "{now}");
        }
    }

    #[tokio::test]
    async fn a_sleeper_on_a_manual_clock_wakes_when_its_time_is_reached() {
        let clock = Clock::manual(Time::from_ms(0));
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(Time::from_ms(1000)).await }
        });
        clock.advance(Duration::from_secs(1));
        sleeper.await.expect("the sleeper wakes");
    }
}
