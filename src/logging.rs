//! The log: readable on a terminal or JSON, and always into `data/log`, ten files of 10 MB.
//!
//! A line is a sentence that can be searched for, with its facts as fields. No password, token,
//! email address or anything that people wrote is ever among them.

use std::{io::IsTerminal, path::Path};

use logroller::{LogRollerBuilder, Rotation, RotationSize};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::config::{Config, LogFormat};

/// Lines that may wait for a slow disk or terminal. Beyond it lines are dropped: a full disk must
/// not stop the server.
const WAITING: usize = 16_384;

/// Starts logging. What waits is written when the guards are dropped.
pub fn start(config: &Config) -> Result<Vec<WorkerGuard>, String> {
    let folder = config.data.join("log");
    let file = file(&folder).map_err(|e| format!("can't log to {}: {e}", folder.display()))?;
    let lines = |writer| NonBlockingBuilder::default().buffered_lines_limit(WAITING).finish(writer);
    let (file, file_guard) = lines(file);
    let terminal = NonBlockingBuilder::default().buffered_lines_limit(WAITING);
    let (terminal, terminal_guard) = terminal.finish(std::io::stderr());
    let levels = levels(&config.log)?;
    let to_terminal = match config.log_format {
        LogFormat::Text => fmt::layer()
            .with_timer(clock_of_the_log())
            .with_target(false)
            .with_ansi(std::io::stderr().is_terminal())
            .with_writer(terminal)
            .boxed(),
        LogFormat::Json => fmt::layer().json().with_timer(clock_of_the_log()).with_writer(terminal).boxed(),
    };
    let to_file = fmt::layer().json().with_timer(clock_of_the_log()).with_writer(file);
    tracing_subscriber::registry()
        .with(levels)
        .with(to_terminal)
        .with(to_file)
        .try_init()
        .map_err(|e| e.to_string())?;
    // Where it happened, and not its message: that may quote what someone wrote.
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(at, "A panic");
    }));
    Ok(vec![file_guard, terminal_guard])
}

/// What is logged. A plain level is ours: the libraries below us would tell at `trace` what goes over
/// their sockets, and that is people's words. Whoever names one of them gets it all the same.
fn levels(log: &str) -> Result<Targets, String> {
    match log.parse::<LevelFilter>() {
        Ok(level) => {
            let theirs = level.min(LevelFilter::INFO);
            Ok(Targets::new().with_default(theirs).with_target("chitter", level))
        }
        Err(_) => log.parse().map_err(|e| format!("CHITTER_LOG: {e}")),
    }
}

fn file(folder: &Path) -> Result<logroller::LogRoller, String> {
    LogRollerBuilder::new(folder, Path::new("chitter.log"))
        .rotation(Rotation::SizeBased(RotationSize::MB(10)))
        .max_keep_files(10)
        .file_mode(0o600)
        .build()
        .map_err(|e| e.to_string())
}

/// The log shows the machine's own time, in UTC, also where the product runs on another clock.
fn clock_of_the_log() -> impl fmt::time::FormatTime {
    struct Seconds;
    impl fmt::time::FormatTime for Seconds {
        fn format_time(&self, w: &mut fmt::format::Writer<'_>) -> std::fmt::Result {
            write!(w, "{}", crate::clock::Clock::System.now())
        }
    }
    Seconds
}
