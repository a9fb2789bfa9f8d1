// SPDX-License-Identifier: GPL-2.0

//! Atomic pointers: rust/kernel/sync/atomic.rs. `Full` is no weaker there than here.

pub mod atomic {
    use std::sync::atomic::{self, AtomicPtr};

    pub struct Relaxed;
    pub struct Full;

    pub trait Ordering {
        const ORDER: atomic::Ordering;
    }

    impl Ordering for Relaxed {
        const ORDER: atomic::Ordering = atomic::Ordering::Relaxed;
    }

    impl Ordering for Full {
        const ORDER: atomic::Ordering = atomic::Ordering::SeqCst;
    }

    pub trait AtomicType: Sized {
        type Atomic;
    }

    impl<T> AtomicType for *mut T {
        type Atomic = AtomicPtr<T>;
    }

    pub struct Atomic<T: AtomicType>(T::Atomic);

    impl<T> Atomic<*mut T> {
        pub const fn new(value: *mut T) -> Self {
            Self(AtomicPtr::new(value))
        }

        pub fn xchg<O: Ordering>(&self, value: *mut T, _: O) -> *mut T {
            self.0.swap(value, O::ORDER)
        }
    }
}
