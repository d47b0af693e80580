//! Reproducible random numbers.

/// A pseudo-random generator (xorshift64) that gives the same numbers in every run.
pub struct Rng(pub u64);

impl Rng {
    /// Returns a number below this one.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
