//! Raw bytes over a connection, for requests that no HTTP client would send.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpStream},
};

use super::{TIMEOUT, World};

fn connect_and_send(world: &World, bytes: &[u8]) -> TcpStream {
    let url = world.url();
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).expect("a connection");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a time-out");
    // The server may close the connection before it has read everything.
    let _ = stream.write_all(bytes);
    stream
}

/// Sends bytes, closes the sending side, and reads the whole answer.
pub fn raw(world: &World, bytes: &[u8]) -> String {
    let stream = connect_and_send(world, bytes);
    let _ = stream.shutdown(Shutdown::Write);
    read_to_end(stream)
}

/// Sends bytes and reads until the server closes the connection.
pub fn answers_to(world: &World, bytes: &[u8]) -> String {
    read_to_end(connect_and_send(world, bytes))
}

fn read_to_end(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Sends bytes and reads the head of the answer.
pub fn head_of(world: &World, bytes: &[u8]) -> String {
    let lines = BufReader::new(connect_and_send(world, bytes)).lines();
    lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}
