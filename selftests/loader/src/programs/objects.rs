// SPDX-License-Identifier: GPL-2.0

//! Real programs: every entry program of every object of a directory. libbpf prepares them once, so that each
//! mode gets the same insns and maps.

use std::io;
use std::path::Path;

use super::{Fixed, Given, Origin};
use crate::bpf::object::{files, Object};

/// Objects of ours start like this. Every program in them must load.
const OWN_PREFIX: &str = "own_";

/// # Errors
///
/// No objects, or one that cannot be prepared: the set of them is ours.
pub fn source(dir: &Path) -> io::Result<Fixed> {
    let (mut given, mut objects) = (Vec::new(), Vec::new());
    for path in files(dir)? {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let object = Object::prepare(&path)
            .map_err(|err| io::Error::new(err.kind(), format!("{}: {err}", path.display())))?;
        let origin = match name.starts_with(OWN_PREFIX) {
            true => Origin::Own,
            false => Origin::Object,
        };
        given.extend(object.programs().into_iter().map(|spec| Given {
            object: Some(name.clone().into_owned()),
            ..Given::new(origin, spec)
        }));
        objects.push(object);
    }
    Ok(Fixed::keeping(given, objects))
}
