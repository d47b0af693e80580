//! How often is too often. Each limit is generous for people, thirty behind one address among
//! them, and narrow for programs that guess or flood.

use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    num::NonZeroU32,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use governor::{Quota, RateLimiter, middleware::StateInformationMiddleware, state::keyed::DashMapStateStore};

use crate::{
    Error, Result,
    clock::Clock,
    domain::accounts,
    error,
    ids::{AccountId, TokenId},
    store::accounts::{Account, Counted, Kind},
};

type Keyed<K> = RateLimiter<K, DashMapStateStore<K>, Clock, StateInformationMiddleware>;

/// All limits of the product.
pub struct Limits {
    on: bool,
    sign_up: Limit<IpAddr>,
    log_in_from: Limit<IpAddr>,
    log_in_as: Limit<String>,
    post_as: Limit<AccountId>,
    post_from: Limit<IpAddr>,
    request_from: Limit<IpAddr>,
    request_with: Limit<TokenId>,
    mail_to: Limit<AccountId>,
    letter: Limit<IpAddr>,
    guest: Limit<IpAddr>,
    guest_room: Limit<Counted>,
    member_room: Limit<Counted>,
    app_room: Limit<Counted>,
    seek: Limit<IpAddr>,
    say: Limit<AccountId>,
    say_at_once: Limit<Counted>,
    type_on: Limit<AccountId>,
    hook: Limit<AccountId>,
    connect: Limit<IpAddr>,
    sockets: Tally<Holder>,
    uploads: Tally<Counted>,
}

/// Where a request came from.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// The address.
    pub ip: IpAddr,
    /// The token that came with it, and holds: a server of many people has one address.
    pub token: Option<TokenId>,
}

impl Origin {
    /// An address, without a token.
    pub fn at(ip: impl Into<IpAddr>) -> Self {
        Origin { ip: ip.into(), token: None }
    }
}

/// Who holds sockets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Holder {
    /// An address.
    Place(IpAddr),
    /// An account.
    Account(AccountId),
}

/// Sockets open from one place: a school of thirty classes, or somebody who holds them for sport.
const SOCKETS: usize = 1_000;

/// Sockets open by one account: a few devices, each with a window full of tabs.
const SOCKETS_EACH: usize = 50;

/// Files that one account sends at the same moment.
const UPLOADS_EACH: usize = 4;

impl Limits {
    /// The limits, or none at all for load tests.
    pub fn new(on: bool, clock: &Clock) -> Self {
        Limits {
            on,
            // A class of thirty signs up at once, each with a few refused tries.
            sign_up: Limit::new("sign-up", 120, Duration::from_secs(30), clock),
            // The same class comes back on Monday.
            log_in_from: Limit::new("log-in", 120, Duration::from_secs(5), clock),
            // A person tries a few; a guesser gets 30 an hour, whatever addresses it has.
            log_in_as: Limit::new("log-in", 12, Duration::from_secs(120), clock),
            // Nobody has more to say than a peep every five seconds for long.
            post_as: Limit::new("post", 40, Duration::from_secs(5), clock),
            // Many accounts in one place, but not a farm of them.
            post_from: Limit::new("post", 600, Duration::from_millis(500), clock),
            // A school whose pages are all open: each asks for little, and all of them at once.
            request_from: Limit::new("request", 6000, Duration::from_millis(5), clock),
            // A product whose people are all here: a hundred a second, and a thousand at once.
            request_with: Limit::new("request", 1000, Duration::from_millis(10), clock),
            // A lively evening; beyond it the mails wait.
            mail_to: Limit::new("mail", 30, Duration::from_secs(120), clock),
            // A class writes to its teacher; nobody writes to many people they do not know.
            letter: Limit::new("letter", 30, Duration::from_secs(60), clock),
            // Several classes open the link on the board in the same minute.
            guest: Limit::new("guest", 300, Duration::from_secs(10), clock),
            // A guest has a reason for a room or two, a member for one on each day of a busy month.
            guest_room: Limit::new("room", 10, Duration::from_secs(360), clock),
            member_room: Limit::new("room", 60, Duration::from_secs(60), clock),
            // A product takes its conversations over, and begins new ones all day.
            app_room: Limit::new("room", 1_000, Duration::from_secs(1), clock),
            // A class that is curious; nobody meets someone new every second.
            seek: Limit::new("match", 120, Duration::from_secs(1), clock),
            // Sixty messages a minute, and a burst of thirty: nobody reads faster.
            say: Limit::new("message", 30, Duration::from_secs(1), clock),
            // A program takes over what was said elsewhere: a few batches, and then five a second.
            say_at_once: Limit::new("batch", 500, Duration::from_millis(200), clock),
            // People look at who types every few seconds.
            type_on: Limit::new("typing", 5, Duration::from_secs(2), clock),
            // Programs are patient; a build that breaks in fifty places is told at once.
            hook: Limit::new("hook", 60, Duration::from_secs(1), clock),
            // A school comes back after the server was restarted.
            connect: Limit::new("connect", 1_500, Duration::from_millis(200), clock),
            sockets: Tally::default(),
            uploads: Tally::default(),
        }
    }

    /// Someone signs up from here.
    pub fn sign_up(&self, from: Origin) -> Result<()> {
        self.check(&self.sign_up, &place(from.ip)).map(drop)
    }

    /// Someone tries to log in from here, as this.
    pub fn log_in(&self, from: Origin, login: &str) -> Result<()> {
        self.check(&self.log_in_from, &place(from.ip))?;
        // As it is looked up: whoever guesses must not get more tries by writing it in other ways.
        let login: String = accounts::key(login).chars().take(64).collect();
        self.check(&self.log_in_as, &login).map(drop)
    }

    /// A member writes, likes, edits or deletes. Says how much is left.
    pub fn post(&self, from: Origin, member: AccountId) -> Result<Option<Allowance>> {
        self.from(from)?;
        self.check(&self.post_as, &member)
    }

    /// Somebody writes something small, such as a setting.
    pub fn write(&self, from: Origin) -> Result<()> {
        self.from(from)
    }

    /// A member is about to get an email. However many people call, nobody's mailbox is flooded.
    pub fn mail(&self, to: AccountId) -> Result<()> {
        self.check(&self.mail_to, &to).map(drop)
    }

    /// Somebody writes to the owner of a page, or asks for the address.
    pub fn letter(&self, from: Origin) -> Result<()> {
        self.check(&self.letter, &place(from.ip)).map(drop)
    }

    /// Somebody comes in with just a name from here.
    pub fn guest(&self, from: Origin) -> Result<()> {
        self.check(&self.guest, &place(from.ip)).map(drop)
    }

    /// Somebody looks for a stranger, or for the next one, from here.
    pub fn seek(&self, from: Origin) -> Result<Option<Allowance>> {
        self.check(&self.seek, &place(from.ip))
    }

    /// An account makes a room, or begins a thread.
    pub fn room(&self, from: Origin, account: &Account) -> Result<Option<Allowance>> {
        self.from(from)?;
        let limit = match account.kind {
            Kind::Guest | Kind::Stranger => &self.guest_room,
            Kind::Member => &self.member_room,
            Kind::Bot | Kind::Managed => &self.app_room,
        };
        self.check(limit, &account.counted())
    }

    /// An account says something, changes it or reacts. Says how much is left.
    pub fn say(&self, from: Origin, account: AccountId) -> Result<Option<Allowance>> {
        self.from(from)?;
        self.check(&self.say, &account)
    }

    /// The same of one among many that are said at once. Guests have no more leave for that than one by one.
    pub fn say_at_once(&self, from: Origin, account: &Account) -> Result<()> {
        if matches!(account.kind, Kind::Guest | Kind::Stranger) {
            return self.say(from, account.id).map(drop);
        }
        self.from(from)?;
        self.check(&self.say_at_once, &account.counted()).map(drop)
    }

    /// A program says that this account types.
    pub fn type_on(&self, from: Origin, account: AccountId) -> Result<()> {
        self.from(from)?;
        self.check(&self.type_on, &account).map(drop)
    }

    /// A program posts through a hook as this bot.
    pub fn hook(&self, bot: AccountId) -> Result<Option<Allowance>> {
        self.check(&self.hook, &bot)
    }

    /// Somebody opens a socket from here. It counts until what this gives is dropped.
    pub fn socket(&self, from: Origin, account: Option<AccountId>) -> Result<Option<SocketPlace>> {
        if !self.on {
            return Ok(None);
        }
        let from = place(from.ip);
        self.connect.check(&from)?;
        let place = (Holder::Place(from), SOCKETS);
        let account = account.map(|account| (Holder::Account(account), SOCKETS_EACH));
        let holders: Vec<_> = [Some(place), account].into_iter().flatten().collect();
        self.sockets.hold(&holders).map(Some)
    }

    /// An account begins to send a file. It counts until what this gives is dropped.
    pub fn upload(&self, account: &Account) -> Result<Option<Held<Counted>>> {
        if self.on { self.uploads.hold(&[(account.counted(), UPLOADS_EACH)]).map(Some) } else { Ok(None) }
    }

    /// A program asks the API for anything. Says how much is left.
    pub fn request(&self, from: Origin) -> Result<Option<Allowance>> {
        match from.token {
            Some(token) => self.check(&self.request_with, &token),
            None => self.check(&self.request_from, &place(from.ip)),
        }
    }

    /// Whoever writes from an address; one with a token is counted by that, with each request.
    fn from(&self, from: Origin) -> Result<()> {
        match from.token {
            Some(_) => Ok(()),
            None => self.check(&self.post_from, &place(from.ip)).map(drop),
        }
    }

    fn check<K: Hash + Eq + Clone>(&self, limit: &Limit<K>, key: &K) -> Result<Option<Allowance>> {
        if self.on { limit.check(key).map(Some) } else { Ok(None) }
    }
}

/// How many of something each has open at the moment.
pub struct Tally<K>(Arc<Mutex<HashMap<K, usize>>>);

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Tally(Arc::default())
    }
}

impl<K: Copy + Eq + Hash> Tally<K> {
    /// Counts one more for each of them, unless one has as many as it may.
    fn hold(&self, keys: &[(K, usize)]) -> Result<Held<K>> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.iter().any(|(key, most)| open.get(key).is_some_and(|count| count >= most)) {
            return Err(Error::TooMany { retry_after: Duration::from_secs(60), limit: None });
        }
        let keys: Vec<K> = keys.iter().map(|(key, _)| *key).collect();
        for key in &keys {
            *open.entry(*key).or_default() += 1;
        }
        Ok(Held { keys, tally: Arc::clone(&self.0) })
    }

    /// Counts one more, however many there are.
    pub fn hold_one(&self, key: K) -> Held<K> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default() += 1;
        Held { keys: vec![key], tally: Arc::clone(&self.0) }
    }

    /// How many one has open.
    pub fn count(&self, key: &K) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied().unwrap_or_default()
    }
}

/// One that is open, and counts until it is dropped.
pub struct Held<K: Copy + Eq + Hash> {
    keys: Vec<K>,
    tally: Arc<Mutex<HashMap<K, usize>>>,
}

impl<K: Copy + Eq + Hash> Drop for Held<K> {
    fn drop(&mut self) {
        let mut open = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        for key in &self.keys {
            if let Some(count) = open.get_mut(key) {
                *count -= 1;
                if *count == 0 {
                    open.remove(key);
                }
            }
        }
    }
}

/// A socket's place among those of its address and its account.
pub type SocketPlace = Held<Holder>;

/// One address is one place; of IPv6, where everyone has 2⁶⁴ of them, the network.
pub fn place(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
        v4 => v4,
    }
}

/// One limit: a burst, and a rate at which it comes back.
struct Limit<K: Hash + Eq + Clone> {
    name: &'static str,
    burst: u32,
    every: Duration,
    clock: Clock,
    limiter: Keyed<K>,
    checks: AtomicU32,
}

/// After so many checks those are forgotten who have not come for long.
const FORGET_AFTER: u32 = 10_000;

impl<K: Hash + Eq + Clone> Limit<K> {
    fn new(name: &'static str, burst: u32, every: Duration, clock: &Clock) -> Self {
        let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(every).unwrap_or(Quota::per_second(burst)).allow_burst(burst);
        let limiter = RateLimiter::new(quota, DashMapStateStore::default(), clock.clone());
        Limit { name, burst: burst.get(), every, clock: clock.clone(), limiter, checks: AtomicU32::new(0) }
    }

    fn check(&self, key: &K) -> Result<Allowance> {
        if self.checks.fetch_add(1, Ordering::Relaxed) % FORGET_AFTER == FORGET_AFTER - 1 {
            self.limiter.retain_recent();
        }
        match self.limiter.check_key(key) {
            Ok(state) => Ok(Allowance {
                name: self.name,
                burst: self.burst,
                remaining: state.remaining_burst_capacity(),
                every: self.every,
            }),
            Err(until) => {
                let now = governor::clock::Clock::now(&self.clock);
                let limit =
                    error::Limit { name: self.name, burst: self.burst, window: self.every * self.burst };
                Err(Error::TooMany { retry_after: until.wait_time_from(now), limit: Some(limit) })
            }
        }
    }
}

/// What is left of a limit.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    name: &'static str,
    burst: u32,
    /// Requests that are allowed now.
    pub remaining: u32,
    every: Duration,
}

impl Allowance {
    /// The limit that this is left of.
    pub fn limit(&self) -> error::Limit {
        error::Limit { name: self.name, burst: self.burst, window: self.every * self.burst }
    }

    /// How long it takes until all of the limit is there again.
    pub fn resets_after(&self) -> Duration {
        self.every * (self.burst - self.remaining)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Time;

    #[test]
    fn one_place_holds_so_many_sockets_and_gets_them_back() {
        let limits = Limits::new(true, &Clock::manual(Time::from_ms(0)));
        let from = Origin::at([192, 0, 2, 1]);
        let mut held: Vec<_> =
            (0..SOCKETS).map(|_| limits.socket(from, None).expect("there is room")).collect();
        assert!(limits.socket(from, None).is_err(), "one more is too many");
        limits.socket(Origin::at([192, 0, 2, 2]), None).expect("others have their own");
        held.pop();
        limits.socket(from, None).expect("a place is free again");
    }

    #[test]
    fn one_account_holds_so_many_sockets_wherever_it_is() {
        let limits = Limits::new(true, &Clock::manual(Time::from_ms(0)));
        let from = |n| Origin::at([192, 0, 2, n]);
        let _held: Vec<_> = (0..SOCKETS_EACH)
            .map(|n| limits.socket(from(n as u8), Some(AccountId(1))).expect("there is room"))
            .collect();
        assert!(limits.socket(from(99), Some(AccountId(1))).is_err(), "one more is too many");
        limits.socket(from(99), Some(AccountId(2))).expect("others have their own");
    }

    #[test]
    fn a_guesser_is_stopped_and_may_come_back_later() {
        let clock = Clock::manual(Time::from_ms(1_000_000));
        let limits = Limits::new(true, &clock);
        let from = Origin::at([192, 0, 2, 1]);
        for _ in 0..12 {
            limits.log_in(from, "nell").expect("a person's tries");
        }
        let Err(Error::TooMany { retry_after, .. }) = limits.log_in(from, " NELL ") else {
            panic!("the thirteenth try is too many");
        };
        limits.log_in(from, "ify").expect("others are not locked out");
        clock.advance(retry_after);
        limits.log_in(from, "nell").expect("and nell may try again");
    }

    #[test]
    fn a_class_of_thirty_signs_up_behind_one_address() {
        let limits = Limits::new(true, &Clock::manual(Time::from_ms(0)));
        let school = Origin::at([192, 0, 2, 1]);
        for _ in 0..90 {
            limits.sign_up(school).expect("thirty people, three tries each");
        }
    }

    #[test]
    fn an_ipv6_network_is_one_place() {
        let limits = Limits::new(true, &Clock::manual(Time::from_ms(0)));
        let refused =
            (0..200u16).any(|n| limits.sign_up(Origin::at([0x2001, 0xdb8, 0, 0, n, 0, 0, n])).is_err());
        assert!(refused, "turning the lower half does not help");
    }

    #[test]
    fn nobody_is_counted_when_limits_are_off() {
        let limits = Limits::new(false, &Clock::manual(Time::from_ms(0)));
        assert!((0..1000).all(|_| limits.post(Origin::at([192, 0, 2, 1]), AccountId(1)).is_ok()));
    }
}
