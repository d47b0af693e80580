//! Services: the state of the process besides the database. Each takes its clock, its database and its settings; none
//! of them depends on HTTP or on the application that holds them together.

pub mod cards;
pub mod data_dir;
pub mod drawing;
pub mod files;
pub mod hosts;
pub mod limits;
pub mod mailer;
pub mod outbound;
pub mod page_cache;
pub mod passwords;
pub mod pictures;
pub mod pool;
pub mod presence;
