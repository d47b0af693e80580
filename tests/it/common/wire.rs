//! Requests that no client would send: bytes over a connection.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpStream},
};

use super::{PATIENCE, World};

/// Sends bytes as they are.
fn sends_raw(world: &World, bytes: &[u8]) -> TcpStream {
    let url = world.url();
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    // The server may have had enough before it has all.
    let _ = stream.write_all(bytes);
    stream
}

/// Sends bytes as they are, hangs up, and reads whatever came back.
pub fn raw(world: &World, bytes: &[u8]) -> String {
    let stream = sends_raw(world, bytes);
    let _ = stream.shutdown(Shutdown::Write);
    all_of(stream)
}

/// Sends bytes as they are and reads until the server hangs up.
pub fn answers_to(world: &World, bytes: &[u8]) -> String {
    all_of(sends_raw(world, bytes))
}

fn all_of(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Sends bytes as they are and reads the head of the answer.
pub fn head_of(world: &World, bytes: &[u8]) -> String {
    let lines = BufReader::new(sends_raw(world, bytes)).lines();
    lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}
