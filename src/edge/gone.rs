//! Whether the client is still there: one flag that a stream's cancel and the request's signal both raise.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::Request;

/// A shared flag that can be awaited.
#[derive(Clone, Default)]
pub struct Gone(Rc<State>);

#[derive(Default)]
struct State {
    raised: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Gone {
    /// A flag that the request's signal raises.
    pub fn of(request: &Request) -> Self {
        let gone = Self::default();
        let flag = gone.clone();
        let signal = request.signal();
        if signal.aborted() {
            flag.raise();
        } else {
            let raise = Closure::once_into_js(move || flag.raise());
            // Without a listener the stream's own cancel still raises the flag.
            let _ = signal.add_event_listener_with_callback("abort", raise.unchecked_ref());
        }
        gone
    }

    /// The client is gone.
    pub fn raise(&self) {
        self.0.raised.set(true);
        if let Some(waker) = self.0.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Whether the client is gone.
    pub fn is_raised(&self) -> bool {
        self.0.raised.get()
    }

    /// Ready once the client is gone. Remembers one waker: one task awaits at a time.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_raised() {
            return Poll::Ready(());
        }
        self.0.waker.replace(Some(cx.waker().clone()));
        Poll::Pending
    }

    /// The future's value, or `None` once the client is gone.
    pub async fn unless<F: Future>(&self, future: F) -> Option<F::Output> {
        futures::pin_mut!(future);
        std::future::poll_fn(|cx| {
            if self.poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            future.as_mut().poll(cx).map(Some)
        })
        .await
    }
}
