//! Listening, accepting connections, and graceful shutdown.

mod edge;
mod routes;

use std::{
    convert::Infallible,
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    task::{JoinHandle, JoinSet},
};
use tokio_io_timeout::TimeoutStream;

use crate::{
    app::App,
    clock::Clock,
    config::{BaseUrl, Config},
    domain,
    http::{
        connection::{Connection, ConnectionIo},
        drain,
    },
    ids::Ids,
    jobs,
    services::data_dir::DataDir,
};

/// The most connections at the same time. An open socket costs some 12 KiB, so this is a few hundred megabytes. Further
/// connections wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 16_384;

/// The time in which a client has to send a request's head, and for which a kept-alive connection may idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);

/// The time for which a client may read nothing, before the connection is closed.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// The time in which requests under way have to finish when the server stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// A running server.
pub struct Server {
    /// The address that the server listens on, with the real port where the configuration has 0.
    pub addr: SocketAddr,
    pub app: Arc<App>,
    accept_task: JoinHandle<()>,
    jobs_task: JoinHandle<()>,
}

/// Opens the database and the services, and starts to serve. The error is one line for the terminal.
pub async fn serve(mut config: Config, data: DataDir, clock: Clock, ids: Ids) -> Result<Server, String> {
    let listener =
        TcpListener::bind(config.addr).await.map_err(|e| format!("can't listen on {}: {e}", config.addr))?;
    let addr = listener.local_addr().map_err(|e| e.to_string())?;
    if config.addr.port() == 0 && config.base_url.as_str().ends_with(":0") {
        config.base_url = BaseUrl::parse(&format!("http://{addr}"))?;
    }
    // Opening may block while it waits for PostgreSQL.
    let app = tokio::task::spawn_blocking(move || App::open(config, data, clock, ids))
        .await
        .map_err(|e| e.to_string())??;
    app.db.write(domain::sync::align).await.map_err(|e| format!("can't prepare the database: {e}"))?;
    loop {
        // Fills in the skeletons of accounts that are older than the column. After the first start there are none.
        match app.db.write(domain::accounts::fill_skeletons).await {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => return Err(format!("can't prepare the database: {error}")),
        }
    }
    let shared = Arc::clone(&app);
    app.tasks.spawn(async move { shared.presence.run(&shared.events, &shared.stop).await });
    if app.config.matching {
        app.tasks.spawn(jobs::matching::run(Arc::clone(&app)));
    }
    let jobs_task = tokio::spawn(jobs::run(Arc::clone(&app)));
    let accept_task = tokio::spawn(accept(listener, routes::router(Arc::clone(&app)), Arc::clone(&app)));
    Ok(Server { addr, app, accept_task, jobs_task })
}

impl Server {
    /// Stops accepting connections, finishes the requests under way, closes the sockets, and closes the database.
    pub async fn stop(self) {
        self.app.stop.cancel();
        let _ = self.accept_task.await;
        let _ = self.jobs_task.await;
        let app = self.app;
        let _ = tokio::task::spawn_blocking(move || app.db.close()).await;
    }

    /// Returns whether there are no members yet.
    pub async fn is_empty(&self) -> bool {
        self.app.db.read(domain::accounts::count_members).await.is_ok_and(|members| members == 0)
    }
}

async fn accept(listener: TcpListener, router: Router, app: Arc<App>) {
    // The dispatchers run to the end, so that sockets receive all committed events before they are closed.
    let mut dispatchers = JoinSet::new();
    for dispatcher in app.events.dispatchers() {
        dispatchers.spawn(dispatcher);
    }
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(64 * 1024);
    loop {
        let permit = tokio::select! {
            () = app.stop.cancelled() => break,
            permit = Arc::clone(&permits).acquire_owned() => permit,
        };
        let Ok(permit) = permit else { break }; // the semaphore is never closed
        let accepted = tokio::select! {
            () = app.stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Most likely the process is out of file descriptors. Some are closed during the pause.
                tracing::warn!(%error, "Can't accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // Every write is a whole response or frame, so Nagle's algorithm would only delay it.
        let _ = stream.set_nodelay(true);
        let (connection, io) = Connection::new(stream, peer, permit);
        let router = router.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Arc::clone(&connection));
            let router = router.clone();
            async move { Ok::<_, Infallible>(drain::answer(router, request).await) }
        });
        let connection = http.serve_connection(TokioIo::new(with_write_timeout(io)), service).with_upgrades();
        let stop = app.stop.clone();
        app.tasks.spawn(async move {
            let mut connection = pin!(connection);
            // A client that disconnects or times out is not logged.
            tokio::select! {
                _ = connection.as_mut() => {}
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
        });
    }
    drop(listener);
    app.tasks.close();
    if tokio::time::timeout(SHUTDOWN_TIMEOUT, app.tasks.wait()).await.is_err() {
        tracing::warn!("Some requests did not finish in time and were cut off");
    }
}

/// Returns the stream with a timeout for writes that the client does not read.
fn with_write_timeout(io: ConnectionIo) -> Pin<Box<TimeoutStream<ConnectionIo>>> {
    let mut stream = TimeoutStream::new(io);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    Box::pin(stream)
}

/// Returns whether the server of this configuration is ready, for health checks of containers: a small image has no
/// curl.
pub fn health(config: &Config) -> Result<(), String> {
    let mut addr = config.addr;
    if addr.ip().is_unspecified() {
        addr.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let request = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&addr, Duration::from_secs(3))?;
        stream.set_read_timeout(Some(Duration::from_secs(3)))?;
        stream.write_all(
            format!("GET /readyz HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n").as_bytes(),
        )?;
        let mut response = String::new();
        stream.read_to_string(&mut response)?;
        Ok(response)
    };
    match request() {
        Ok(response) if response.starts_with("HTTP/1.1 200 ") => Ok(()),
        Ok(response) => Err(format!("not ready: {}", response.lines().next().unwrap_or_default())),
        Err(error) => Err(format!("no answer from {addr}: {error}")),
    }
}
