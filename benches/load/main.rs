//! The throughput of the server beside the limit of the machine.
//!
//! Each row compares the product with a bare limit, in one run and in turns. The load runs on the same cores,
//! with as little overhead as possible, so quote the ratios. `bin/bench` describes how to run it.
#![expect(clippy::expect_used, reason = "a benchmark that can't continue prints the reason and stops")]

mod api;
mod fanout;
mod matching;
mod posts_and_pages;
mod process;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.first().map(String::as_str) {
        // The bare limits run as separate processes.
        Some("bare-server") => posts_and_pages::bare_server(&args[1]),
        Some("bare-loop") => fanout::bare_loop(&args[1]),
        Some("api") => api::run(&args[1..]),
        Some("fanout") => fanout::run(&args[1..]),
        Some("matching") => matching::run(&args[1..]),
        _ => posts_and_pages::run(&args),
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
