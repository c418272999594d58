//! Request objects that are used again, as frameworks do to spare allocations.
//!
//! An object goes back when its request is answered, though a task of the request may still hold
//! it: that task then reads what the next request wrote.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The objects that no request uses, the one that came back last at the end.
#[derive(Debug, Clone, Default)]
pub(super) struct Pool(Arc<Mutex<Vec<Arc<Object>>>>);

/// What is known of one request.
#[derive(Debug)]
pub(super) struct Object(Mutex<Arc<str>>);

/// An object in use; it goes back when this is dropped.
#[derive(Debug)]
pub(super) struct Rented {
    object: Arc<Object>,
    pool: Pool,
}

impl Pool {
    /// The object of a request of this user.
    pub(super) fn rent(&self, user: &Arc<str>) -> Rented {
        let object = match lock(&self.0).pop() {
            Some(object) => {
                *lock(&object.0) = Arc::clone(user);
                object
            }
            None => Arc::new(Object(Mutex::new(Arc::clone(user)))),
        };
        Rented {
            object,
            pool: self.clone(),
        }
    }
}

impl Rented {
    /// What a task of the request holds on to.
    pub(super) fn object(&self) -> Arc<Object> {
        Arc::clone(&self.object)
    }
}

impl Drop for Rented {
    fn drop(&mut self) {
        lock(&self.pool.0).push(Arc::clone(&self.object));
    }
}

impl Object {
    /// The user of the request that has it now, or had it last.
    pub(super) fn user(&self) -> Arc<str> {
        Arc::clone(&lock(&self.0))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_that_is_back_goes_to_the_next() {
        let pool = Pool::default();
        let first = pool.rent(&"a".into());
        let held = first.object();
        let beside = pool.rent(&"b".into());
        assert_eq!(&*held.user(), "a");
        drop(first);
        assert_eq!(
            &*held.user(),
            "a",
            "the last user stays until the next comes"
        );
        let next = pool.rent(&"c".into());
        assert_eq!((&*held.user(), &*beside.object().user()), ("c", "b"));
        drop(next);
    }
}
