//! Visits to pages and clicks on their links, counted by day.

use crate::{
    Result,
    db::{Read, Write, from_row},
    ids::AccountId,
    params, sql,
};

/// Adds `count` to a day's count. An empty `link` stands for the page itself.
pub fn add(tx: &mut Write<'_>, account: AccountId, day: i64, link: &str, count: i64) -> Result<()> {
    tx.execute(
        sql!(
            "INSERT INTO visits (account_id, day, link, count) VALUES ($1, $2, $3, $4)
             ON CONFLICT (account_id, day, link) DO UPDATE SET count = visits.count + excluded.count"
        ),
        params![account, day, link, count],
    )
    .map(drop)
}

/// Returns the counts of an account from `day` on: day, link, count.
pub fn since(read: &Read<'_>, account: AccountId, day: i64) -> Result<Vec<(i64, String, i64)>> {
    read.all(
        sql!("SELECT day, link, count FROM visits WHERE account_id = $1 AND day >= $2 ORDER BY day"),
        params![account, day],
        from_row,
    )
}

/// Deletes the counts from before `day`.
pub fn purge(tx: &mut Write<'_>, day: i64) -> Result<u64> {
    tx.execute(sql!("DELETE FROM visits WHERE day < $1"), params![day])
}
