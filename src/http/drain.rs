//! What nobody read of a request: it is taken all the same, as far as that goes, so that whoever
//! sends it hears the answer.
//!
//! A server that answers before it has read everything and then hangs up resets the connection, and
//! the answer is lost on the way (RFC 9112, section 9.6). A client that would use the connection
//! again sends its next request into the void. So the answer waits until the rest is here, or says
//! that the connection closes.

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

/// How much is taken of what nobody wants: the largest upload twice over. Whoever sends more is cut off.
const MOST: usize = 48 * 1024 * 1024;

/// How long all of it may take, and how long nothing may come.
const LONGEST: Duration = Duration::from_secs(30);
const SILENCE: Duration = Duration::from_secs(2);

/// A body that comes back when whoever had it lets go of it.
struct Lent {
    body: Option<Incoming>,
    back: Arc<Mutex<Option<Incoming>>>,
}

impl hyper::body::Body for Lent {
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

impl Drop for Lent {
    fn drop(&mut self) {
        *self.back.lock().unwrap_or_else(PoisonError::into_inner) = self.body.take();
    }
}

/// The answer to a request, once what nobody read of it is taken, or with `Connection: close`.
pub async fn answer(mut router: Router, request: Request<Incoming>) -> Response {
    if request.body().is_end_stream() {
        let Ok(response) = router.call(request.map(Body::new)).await;
        return response;
    }
    // It holds its body back until we ask for it (RFC 9110, section 10.1.1): we don't, to throw it away.
    let waits = request.headers().contains_key(header::EXPECT);
    let back = Arc::new(Mutex::new(None));
    let lent = |body| Body::new(Lent { body: Some(body), back: Arc::clone(&back) });
    let Ok(mut response) = router.call(request.map(lent)).await;
    let rest = back.lock().unwrap_or_else(PoisonError::into_inner).take();
    let all = match rest {
        Some(rest) if rest.is_end_stream() => true,
        Some(rest) if !waits => timeout(LONGEST, drain(rest)).await.unwrap_or(false),
        _ => false,
    };
    if !all {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Takes what is left of a body, and whether that was all.
async fn drain(mut body: Incoming) -> bool {
    let mut left = MOST;
    if body.size_hint().lower() > left as u64 {
        return false;
    }
    loop {
        match timeout(SILENCE, poll_fn(|context| Pin::new(&mut body).poll_frame(context))).await {
            Ok(None) => return true,
            Ok(Some(Ok(frame))) => {
                let Some(less) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else {
                    return false;
                };
                left = less;
            }
            Ok(Some(Err(_))) | Err(_) => return false,
        }
    }
}
