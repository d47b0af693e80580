//! Arguments and configuration; then [`chitter::serve`].

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use chitter::{
    admin,
    clock::Clock,
    config::{Config, Settings, one_line},
    ids::Ids,
    logging, seed,
    services::data_dir::DataDir,
};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{Signal, SignalKind, signal};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A home for a community, in one binary.
///
/// Run it without anything: it serves http://127.0.0.1:3000 and keeps all its data in ./data. The
/// first person to sign up becomes the administrator. Every setting can be given as a flag, in the
/// environment, or in chitter.toml (`addr = "0.0.0.0:3000"`); a flag wins over the environment, and
/// the environment over the file.
#[derive(Parser)]
#[command(version, max_term_width = 100, after_help = AFTER)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    /// The settings file [default: ./chitter.toml, if there is one]
    #[arg(long, env = "CHITTER_CONFIG", value_name = "FILE", global = true)]
    config: Option<PathBuf>,

    #[command(flatten)]
    settings: Settings,
}

const AFTER: &str = "\
Examples:
  chitter                                        try it on this machine
  chitter seed && chitter                        try it with people in it
  CHITTER_BASE_URL=https://row.example chitter   behind a reverse proxy with TLS

A wrong setting is one line on the terminal and exit code 2.";

#[derive(Subcommand, Clone)]
enum Command {
    /// Serve the site (the default)
    Serve,
    /// Fill an empty instance with a small community, for trying things out
    Seed {
        /// The password of everyone in it [default: a random one, which is printed]
        #[arg(long)]
        password: Option<String>,
    },
    /// Ask a running server whether it is ready: exit code 0 if so
    Health,
    /// Members’ pages
    #[command(subcommand)]
    Page(PageCommand),
    /// Tokens that programs act with
    #[command(subcommand)]
    Token(TokenCommand),
}

#[derive(Subcommand, Clone)]
enum PageCommand {
    /// Write a member's page into a folder, as a website of its own
    Export {
        /// The member's username, as @alice
        user: String,
        /// The folder; made where there is none
        folder: PathBuf,
    },
}

#[derive(Subcommand, Clone)]
enum TokenCommand {
    /// Make a token for a member, and print it
    Create {
        /// The member's username
        #[arg(long)]
        user: String,
        /// What may be done with it: read, write, or both with a comma
        #[arg(long, default_value = "read")]
        scopes: String,
        /// What it is for
        #[arg(long, default_value = "made on the command line")]
        name: String,
    },
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if !error.use_stderr() => error.exit(), // --help and --version
        Err(error) => {
            return refuse(
                error.to_string().lines().next().unwrap_or_default().trim_start_matches("error: "),
            );
        }
    };
    let config = match configure(cli.config, cli.settings) {
        Ok(config) => config,
        Err(error) => return refuse(&error),
    };
    let result = match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => serve(config),
        Command::Seed { password } => seed(config, password),
        Command::Health => chitter::server::health(&config),
        Command::Page(PageCommand::Export { user, folder }) => export_page(config, user, &folder),
        Command::Token(TokenCommand::Create { user, scopes, name }) => make_token(config, user, scopes, name),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chitter: {}", one_line(&error));
            ExitCode::FAILURE
        }
    }
}

/// Prints why the arguments or settings are refused, and returns exit code 2.
fn refuse(reason: &str) -> ExitCode {
    eprintln!("chitter: {}", one_line(reason));
    ExitCode::from(2)
}

fn configure(file: Option<PathBuf>, settings: Settings) -> Result<Config, String> {
    let default = PathBuf::from("chitter.toml");
    let file = file.or_else(|| default.exists().then_some(default));
    let settings = match file {
        Some(file) => settings.or(Settings::from_file(&file)?),
        None => settings,
    };
    settings.resolve()
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all().build().map_err(|e| e.to_string())
}

fn serve(config: Config) -> Result<(), String> {
    let (data, mail, database) =
        (config.data.clone(), config.smtp_url.is_some(), config.database_url.is_some());
    // Every connection is an open file, and most systems allow a process only a thousand by default.
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        eprintln!("chitter: can't open more files than usual: {error}");
    }
    runtime()?.block_on(async {
        let mut signals = StopSignals::install()?;
        // The data folder is locked before the log opens its file in it.
        let folder = DataDir::open(&config.data)?;
        let _guards = logging::start(&config)?;
        let server = chitter::serve(config, folder, Clock::System, Ids::new()).await?;
        let empty = server.is_empty().await;
        tracing::info!(
            address = %server.addr, data = %data.display(), version = env!("CARGO_PKG_VERSION"),
            database = if database { "PostgreSQL" } else { "SQLite" },
            mail = if mail { "SMTP" } else { "data/outbox" },
            "Chitter is ready",
        );
        eprintln!("\n  Chitter is at {}", server.app.config.base_url.as_str());
        if empty {
            eprintln!("  Nobody lives here yet. Sign up first, and you are the administrator.");
        }
        eprintln!("  Stop it with Ctrl+C.\n");
        signals.wait().await;
        tracing::info!("Stopping: requests under way are finished first");
        server.stop().await;
        tracing::info!("Stopped");
        Ok(())
    })
}

/// The signals that stop the server: Ctrl+C, and the one of a service manager.
struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    /// Installs handlers for the signals, so that they do not end the process at once.
    fn install() -> Result<Self, String> {
        let handler = |kind| signal(kind).map_err(|e| e.to_string());
        Ok(StopSignals {
            interrupt: handler(SignalKind::interrupt())?,
            terminate: handler(SignalKind::terminate())?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Creates a token, also beside a running server.
fn make_token(config: Config, user: String, scopes: String, name: String) -> Result<(), String> {
    println!("{}", runtime()?.block_on(admin::make_token(config, user, scopes, name))?);
    Ok(())
}

/// Exports a page, also beside a running server.
fn export_page(config: Config, user: String, folder: &Path) -> Result<(), String> {
    let files = runtime()?.block_on(admin::export_page(config, user, folder))?;
    println!("{files} files are in {}. Open index.html there.", folder.display());
    Ok(())
}

fn seed(config: Config, password: Option<String>) -> Result<(), String> {
    let seeded = runtime()?.block_on(seed::seed(config, password))?;
    println!(
        "{} people and {} peeps are in. Start `chitter`, and log in as {} (the administrator)\n\
         or as any of the others, with the password: {}",
        seeded.people, seeded.peeps, seeded.admin, seeded.password
    );
    Ok(())
}
