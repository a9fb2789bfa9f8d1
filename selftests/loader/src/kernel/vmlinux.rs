// SPDX-License-Identifier: GPL-2.0

//! Type information of the running kernel.

use std::ffi::CString;
use std::io;
use std::ptr::NonNull;

use libbpf_sys as sys;

const KIND_STRUCT: u32 = 4;
const KIND_FUNC: u32 = 12;

/// The types of vmlinux.
///
/// # Invariants
///
/// The pointer is to an object of libbpf that only this value owns.
pub struct Vmlinux(NonNull<sys::btf>);

impl Vmlinux {
    /// Reads `/sys/kernel/btf/vmlinux`.
    ///
    /// # Errors
    ///
    /// What libbpf says: a kernel without type information.
    pub fn load() -> io::Result<Self> {
        // SAFETY: no callback is installed, which is libbpf's documented way to silence it.
        unsafe { sys::libbpf_set_print(None) };
        // SAFETY: takes nothing.
        let btf = unsafe { sys::btf__load_vmlinux_btf() };
        // INVARIANT: libbpf has just made the object and handed it to us.
        NonNull::new(btf)
            .map(Self)
            .ok_or_else(io::Error::last_os_error)
    }

    fn id(&self, name: &str, kind: u32) -> Option<i32> {
        let name = CString::new(name).ok()?;
        // SAFETY: the object is valid by the type's invariant, `name` is a NUL-terminated string
        // that outlives the call.
        let id = unsafe { sys::btf__find_by_name_kind(self.0.as_ptr(), name.as_ptr(), kind) };
        (id > 0).then_some(id)
    }

    /// Type id of a function, by which a program calls it.
    pub fn function(&self, name: &str) -> Option<i32> {
        self.id(name, KIND_FUNC)
    }

    /// Size of a structure in bytes.
    pub fn size(&self, name: &str) -> Option<usize> {
        let id = self.id(name, KIND_STRUCT)?;
        // SAFETY: the object is valid by the type's invariant.
        let size = unsafe { sys::btf__resolve_size(self.0.as_ptr(), id as u32) };
        usize::try_from(size).ok()
    }
}

impl Drop for Vmlinux {
    fn drop(&mut self) {
        // SAFETY: the object is valid and nobody else's by the type's invariant.
        unsafe { sys::btf__free(self.0.as_ptr()) };
    }
}
