//! The log: text or JSON on the terminal, and always JSON in `data/log`, ten files of 10 MB.
//!
//! A line is a fixed sentence with its facts as fields. No field is a password, a token, an email address or a text
//! that people wrote.

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

/// The lines that may wait for a slow disk or terminal. Further lines are dropped, because a full disk must not stop
/// the server.
const MAX_WAITING: usize = 16_384;

/// Starts logging. Lines that wait are written when the guards are dropped.
pub fn start(config: &Config) -> Result<Vec<WorkerGuard>, String> {
    let folder = config.data.join("log");
    let file = file(&folder).map_err(|e| format!("can't log to {}: {e}", folder.display()))?;
    let non_blocking =
        |writer| NonBlockingBuilder::default().buffered_lines_limit(MAX_WAITING).finish(writer);
    let (file, file_guard) = non_blocking(file);
    let terminal = NonBlockingBuilder::default().buffered_lines_limit(MAX_WAITING);
    let (terminal, terminal_guard) = terminal.finish(std::io::stderr());
    let levels = levels(&config.log)?;
    let to_terminal = match config.log_format {
        LogFormat::Text => fmt::layer()
            .with_timer(timer())
            .with_target(false)
            .with_ansi(std::io::stderr().is_terminal())
            .with_writer(terminal)
            .boxed(),
        LogFormat::Json => fmt::layer().json().with_timer(timer()).with_writer(terminal).boxed(),
    };
    let to_file = fmt::layer().json().with_timer(timer()).with_writer(file);
    tracing_subscriber::registry()
        .with(levels)
        .with(to_terminal)
        .with(to_file)
        .try_init()
        .map_err(|e| e.to_string())?;
    // A panic is logged by its location, without its message, which may quote a text that people wrote.
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(at, "A panic");
    }));
    Ok(vec![file_guard, terminal_guard])
}

/// Parses the levels to log. A plain level below `info` applies to this crate alone: at `trace`, libraries log the
/// bytes of their sockets, which contain people's texts. A library that the setting names is logged at its own level.
fn levels(log: &str) -> Result<Targets, String> {
    match log.parse::<LevelFilter>() {
        Ok(level) => {
            let libraries = level.min(LevelFilter::INFO);
            Ok(Targets::new().with_default(libraries).with_target("chitter", level))
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

/// Returns the timer of the log: the machine's time in UTC, also where the product runs on a manual clock.
fn timer() -> impl fmt::time::FormatTime {
    struct Seconds;
    impl fmt::time::FormatTime for Seconds {
        fn format_time(&self, w: &mut fmt::format::Writer<'_>) -> std::fmt::Result {
            write!(w, "{}", crate::clock::Clock::System.now())
        }
    }
    Seconds
}
