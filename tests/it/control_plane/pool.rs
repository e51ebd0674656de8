//! Control planes that tests use one after the other, because starting one takes seconds.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::{ControlPlane, Options};

/// A control plane keeps a core half busy and takes some 400 MiB.
const CONTROL_PLANES_MAX: usize = 4;

static POOL: Mutex<Pool> = Mutex::new(Pool { idle: Vec::new(), lent: 0 });
static RETURNED: Condvar = Condvar::new();

struct Pool {
    idle: Vec<ControlPlane>,
    lent: usize,
}

/// A control plane with the ordinary options that belongs to one test until it is dropped.
#[derive(Debug)]
pub struct Borrowed {
    plane: Option<ControlPlane>,
}

/// Borrows a control plane without nodes, pods, or anything else that an earlier test made. A
/// test borrows one at most; waiting for a second could last for ever.
pub fn borrow() -> Borrowed {
    let mut pool = lock();
    while pool.lent >= CONTROL_PLANES_MAX {
        pool = RETURNED.wait(pool).unwrap_or_else(PoisonError::into_inner);
    }
    pool.lent += 1;
    let idle = pool.idle.pop();
    drop(pool);
    // From here on a panic gives the place back.
    let mut borrowed = Borrowed { plane: None };
    let plane = idle.and_then(|mut plane| {
        plane.is_running().then(|| {
            plane.reset();
            plane
        })
    });
    borrowed.plane = Some(plane.unwrap_or_else(|| ControlPlane::start(Options::default())));
    borrowed
}

fn lock() -> MutexGuard<'static, Pool> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Deref for Borrowed {
    type Target = ControlPlane;

    fn deref(&self) -> &ControlPlane {
        self.plane.as_ref().expect("a control plane until the drop")
    }
}

impl DerefMut for Borrowed {
    fn deref_mut(&mut self) -> &mut ControlPlane {
        self.plane.as_mut().expect("a control plane until the drop")
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        let plane = self.plane.take();
        let mut pool = lock();
        pool.lent -= 1;
        // What a failed test leaves behind is evidence, not something to work with.
        if !thread::panicking() {
            pool.idle.extend(plane);
        }
        RETURNED.notify_one();
    }
}
