//! The `chitter` program as a separate process.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, channel},
    },
    thread,
};

use chitter::config::Switch;

use super::{Instance, TIMEOUT};

/// Returns a command that runs the program in this folder with an empty environment.
pub fn chitter(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chitter"));
    command.current_dir(folder).env_clear().stdin(Stdio::null());
    command
}

/// A process that serves an instance. Dropping it kills the process.
pub struct Program {
    pub url: String,
    child: Child,
    output: Arc<Mutex<Vec<String>>>,
}

impl Program {
    /// Returns the command that serves this instance.
    pub fn command(instance: &Instance) -> Command {
        let settings = &instance.settings;
        let mut command = chitter(instance.folder());
        command.env("CHITTER_DATA", instance.data()).env("CHITTER_ADDR", "127.0.0.1:0");
        if settings.limits == Some(Switch::Off) {
            command.env("CHITTER_LIMITS", "off");
        }
        if let Some(url) = &settings.database_url {
            command.env("CHITTER_DATABASE_URL", url);
        }
        if let Some(url) = &settings.smtp_url {
            command.env("CHITTER_SMTP_URL", url);
        }
        command
    }

    /// Serves this instance. Returns once the process has printed its address.
    pub fn serve(instance: &Instance) -> Self {
        Program::start(&mut Program::command(instance))
    }

    /// Starts a command that was adapted from [`Program::command`].
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the program starts");
        let (output, lines) = read_output(&mut child);
        let mut url = None;
        while url.is_none() {
            match lines.recv_timeout(TIMEOUT) {
                Ok(line) => url = line.trim().strip_prefix("Chitter is at ").map(Into::into),
                Err(_) => break,
            }
        }
        let mut program = Program { url: String::new(), child, output };
        program.url = url.unwrap_or_else(|| panic!("the program prints no address:\n{}", program.output()));
        program
    }

    /// Returns all output so far.
    pub fn output(&self) -> String {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// Sends SIGKILL and waits for the end of the process.
    pub fn kill(&mut self) {
        self.child.kill().expect("a running process");
        self.child.wait().expect("a process that ends");
    }

    /// Sends SIGTERM, as a service manager does.
    pub fn terminate(&self) {
        let sent = Command::new("sh").arg("-c").arg(format!("kill -TERM {}", self.child.id())).status();
        assert!(sent.is_ok_and(|status| status.success()), "the signal is sent");
    }

    /// Waits for the end of the process.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("a process that ends")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads the output of a process continuously, so that the process never blocks on a full pipe.
fn read_output(child: &mut Child) -> (Arc<Mutex<Vec<String>>>, Receiver<String>) {
    let output = Arc::new(Mutex::new(Vec::new()));
    let (sender, lines) = channel();
    let stderr = child.stderr.take().expect("a pipe");
    let shared = Arc::clone(&output);
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            shared.lock().unwrap_or_else(PoisonError::into_inner).push(line.clone());
            let _ = sender.send(line);
        }
    });
    (output, lines)
}
