// SPDX-License-Identifier: GPL-2.0

//! BPF objects: libbpf creates the maps, loads the BTF and relocates; the loading of programs is
//! left to the caller, who wants to do it more than once.

use std::cell::Cell;
use std::ffi::{CStr, CString};
use std::io;
use std::os::raw::{c_char, c_int};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::slice;

use libbpf_sys as sys;

use crate::bpf::insn::{decode, INSN_SIZE};
use crate::bpf::{Records, Spec, XDP_FRAGS_FLAG, XDP_FRAGS_PREFIX};

/// An object whose maps exist and whose programs are ready to load.
///
/// # Invariants
///
/// The pointer is to an object of libbpf that only this value owns.
pub struct Object(NonNull<sys::bpf_object>);

impl Object {
    /// Opens an object file and prepares its programs.
    ///
    /// # Errors
    ///
    /// What libbpf says: a file that is no BPF object, a map type the kernel lacks.
    pub fn prepare(path: &Path) -> io::Result<Self> {
        let name = CString::new(path.as_os_str().as_encoded_bytes())?;
        WARNINGS.take();
        // SAFETY: `keep` takes what libbpf hands to its callback.
        unsafe { sys::libbpf_set_print(Some(keep)) };
        // SAFETY: `name` is a NUL-terminated string that outlives the call; no options.
        let obj = unsafe { sys::bpf_object__open_file(name.as_ptr(), std::ptr::null()) };
        // INVARIANT: libbpf has just made the object and handed it to us.
        let obj = Self(NonNull::new(obj).ok_or_else(|| complaint(io::Error::last_os_error()))?);
        // What is to be loaded on demand alone, as of `?tc`, would not be relocated.
        obj.each(|prog| {
            // SAFETY: `prog` is a program of the object, which is not prepared yet.
            unsafe { sys::bpf_program__set_autoload(prog, true) };
        });
        // SAFETY: the object is valid by the type's invariant.
        let err = unsafe { sys::bpf_object__prepare(obj.0.as_ptr()) };
        if err < 0 {
            return Err(complaint(io::Error::from_raw_os_error(-err)));
        }
        Ok(obj)
    }

    /// The entry programs of the object. Their descriptors live as long as the object.
    pub fn programs(&self) -> Vec<Spec> {
        let mut specs = Vec::new();
        self.each(|prog| specs.push(self.spec(prog)));
        specs
    }

    fn each(&self, mut act: impl FnMut(*mut sys::bpf_program)) {
        let mut prog = std::ptr::null_mut();
        loop {
            // SAFETY: the object is valid by the type's invariant, `prog` is null or the program
            // that the previous call gave.
            prog = unsafe { sys::bpf_object__next_program(self.0.as_ptr(), prog) };
            if prog.is_null() {
                return;
            }
            act(prog);
        }
    }

    /// `prog` is a program of this object.
    fn spec(&self, prog: *mut sys::bpf_program) -> Spec {
        // SAFETY: `prog` belongs to the object, which is valid and prepared: its strings are
        // NUL-terminated, its arrays have as many elements as the counts say, and all stay in
        // place as long as the object, that is, during this function, which copies them.
        unsafe {
            let section = text(sys::bpf_program__section_name(prog));
            let mut flags = sys::bpf_program__flags(prog);
            if section.starts_with(XDP_FRAGS_PREFIX) {
                flags |= XDP_FRAGS_FLAG;
            }
            // As `lsm.s/task_free`.
            if section
                .split('/')
                .next()
                .is_some_and(|kind| kind.ends_with(".s"))
            {
                flags |= sys::BPF_F_SLEEPABLE;
            }
            let btf = sys::bpf_object__btf_fd(self.0.as_ptr());
            Spec {
                name: text(sys::bpf_program__name(prog)),
                kind: sys::bpf_program__type(prog),
                attach: sys::bpf_program__expected_attach_type(prog),
                flags,
                attach_btf: attach_btf(prog, &section),
                insns: decode(
                    &copy(
                        sys::bpf_program__insns(prog),
                        sys::bpf_program__insn_cnt(prog),
                    )
                    .bytes,
                ),
                btf: (btf >= 0).then_some(btf),
                func_info: copy(
                    sys::bpf_program__func_info(prog),
                    u64::from(sys::bpf_program__func_info_cnt(prog)),
                ),
                line_info: copy(
                    sys::bpf_program__line_info(prog),
                    u64::from(sys::bpf_program__line_info_cnt(prog)),
                ),
                ..Spec::default()
            }
        }
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        // SAFETY: the object is valid and ours alone by the type's invariant.
        unsafe { sys::bpf_object__close(self.0.as_ptr()) };
    }
}

/// What of the kernel's BTF a program attaches to, by the name behind the slash of its section: libbpf looks only
/// when it loads the program itself. 0 if there is no such thing, of which the kernel will complain.
///
/// # Safety
///
/// `prog` is a program of an object.
unsafe fn attach_btf(prog: *const sys::bpf_program, section: &str) -> u32 {
    // SAFETY: as the caller promises.
    let (kind, attach) = unsafe {
        (
            sys::bpf_program__type(prog),
            sys::bpf_program__expected_attach_type(prog),
        )
    };
    let name = section.split_once('/').map(|(_, name)| name);
    let name = name.filter(|_| matches!(kind, sys::BPF_PROG_TYPE_TRACING | sys::BPF_PROG_TYPE_LSM));
    let Some(Ok(name)) = name.map(CString::new) else {
        return 0;
    };
    // SAFETY: `name` is a NUL-terminated string that outlives the call.
    let id = unsafe { sys::libbpf_find_vmlinux_btf_id(name.as_ptr(), attach) };
    u32::try_from(id).unwrap_or(0)
}

thread_local! {
    /// What libbpf warned of since an object was opened.
    static WARNINGS: Cell<String> = const { Cell::new(String::new()) };
}

unsafe extern "C" {
    fn vsnprintf(
        to: *mut c_char,
        size: usize,
        format: *const c_char,
        args: *mut sys::__va_list_tag,
    ) -> c_int;
}

/// Keeps warnings, and prints nothing.
unsafe extern "C" fn keep(
    level: sys::libbpf_print_level,
    format: *const c_char,
    args: *mut sys::__va_list_tag,
) -> c_int {
    if level == sys::LIBBPF_WARN {
        let mut words: [c_char; 256] = [0; 256];
        // SAFETY: the buffer has the stated size, and is NUL-terminated afterwards; format and arguments are libbpf's,
        // and belong together.
        let words = unsafe {
            vsnprintf(words.as_mut_ptr(), words.len(), format, args);
            text(words.as_ptr())
        };
        let words = words.trim_start_matches("libbpf: ").trim_end();
        WARNINGS.set(WARNINGS.take() + "\n" + words);
    }
    0
}

/// An error in libbpf's words, as it has numbers of its own above those of the kernel; and what it warned of.
fn complaint(err: io::Error) -> io::Error {
    let Some(errno) = err.raw_os_error() else {
        return err;
    };
    let mut words: [c_char; 128] = [0; 128];
    // SAFETY: the buffer can be written to, and has the stated size; libbpf ends what it writes with a NUL.
    let words = unsafe {
        sys::libbpf_strerror(errno, words.as_mut_ptr(), words.len() as u64);
        text(words.as_ptr())
    };
    io::Error::new(err.kind(), words + &WARNINGS.take())
}

/// # Safety
///
/// `string` is a NUL-terminated string.
unsafe fn text(string: *const c_char) -> String {
    // SAFETY: as the caller promises.
    unsafe { CStr::from_ptr(string) }
        .to_string_lossy()
        .into_owned()
}

/// # Safety
///
/// `count` elements of plain data without padding stand at `from`, or `count` is 0.
unsafe fn copy<T>(from: *const T, count: u64) -> Records {
    let size = size_of::<T>();
    if from.is_null() || count == 0 {
        return Records {
            size,
            bytes: Vec::new(),
        };
    }
    // SAFETY: as the caller promises.
    let bytes = unsafe { slice::from_raw_parts(from.cast::<u8>(), size * count as usize) };
    Records {
        size,
        bytes: bytes.to_vec(),
    }
}

const _: () = assert!(size_of::<sys::bpf_insn>() == INSN_SIZE);

/// The object files of a directory, by name.
///
/// # Errors
///
/// No such directory, or no object in it: then there would be nothing to compare.
pub fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let complain = |err: io::Error| io::Error::new(err.kind(), format!("{}: {err}", dir.display()));
    let mut files = Vec::new();
    for entry in dir.read_dir().map_err(complain)? {
        let path = entry.map_err(complain)?.path();
        if path.extension().is_some_and(|ext| ext == "o") {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(complain(io::Error::other(
            "no BPF objects (*.o); build selftests/progs",
        )));
    }
    Ok(files)
}
