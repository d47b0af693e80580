//! Reading of request bodies that no handler read to the end, so that the client receives the response.
//!
//! A server that responds before it has read everything and then closes the connection resets it, and the response is
//! lost (RFC 9112, section 9.6). A client that reuses the connection loses its next request. So the response waits
//! until the rest of the body is read, or has `Connection: close`.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderValue, Request, header},
    response::Response,
};
use futures_util::future::poll_fn;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use tokio::time::timeout;
use tower::Service;

/// The bytes that are read and discarded: twice the largest upload. Beyond that the connection is closed.
const MAX_BYTES: usize = 48 * 1024 * 1024;

/// The time that draining may take in all, and the time without any bytes.
const TIMEOUT: Duration = Duration::from_secs(30);
const IDLE_TIMEOUT: Duration = Duration::from_secs(2);

/// A body that moves into a shared slot when its handler drops it.
struct LentBody {
    body: Option<Incoming>,
    slot: Arc<Mutex<Option<Incoming>>>,
}

impl hyper::body::Body for LentBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.body.as_mut().map_or(Poll::Ready(None), |body| Pin::new(body).poll_frame(context))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Incoming::size_hint).unwrap_or_default()
    }
}

impl Drop for LentBody {
    fn drop(&mut self) {
        *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = self.body.take();
    }
}

/// Returns the response to a request after the rest of its body is read, or adds `Connection: close`.
pub async fn answer(mut router: Router, request: Request<Incoming>) -> Response {
    if request.body().is_end_stream() {
        let Ok(response) = router.call(request.map(Body::new)).await;
        return response;
    }
    // With `Expect: 100-continue` the client sends its body only on request (RFC 9110, section 10.1.1). A body that
    // would be discarded is not requested.
    let expects_continue = request.headers().contains_key(header::EXPECT);
    let slot = Arc::new(Mutex::new(None));
    let lent = |body| Body::new(LentBody { body: Some(body), slot: Arc::clone(&slot) });
    let Ok(mut response) = router.call(request.map(lent)).await;
    let rest = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    let is_drained = match rest {
        Some(rest) if rest.is_end_stream() => true,
        Some(rest) if !expects_continue => timeout(TIMEOUT, drain(rest)).await.unwrap_or(false),
        _ => false,
    };
    if !is_drained {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Reads the rest of a body; returns whether its end was reached.
async fn drain(mut body: Incoming) -> bool {
    let mut left = MAX_BYTES;
    if body.size_hint().lower() > left as u64 {
        return false;
    }
    loop {
        match timeout(IDLE_TIMEOUT, poll_fn(|context| Pin::new(&mut body).poll_frame(context))).await {
            Ok(None) => return true,
            Ok(Some(Ok(frame))) => {
                let Some(remaining) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else {
                    return false;
                };
                left = remaining;
            }
            Ok(Some(Err(_))) | Err(_) => return false,
        }
    }
}
