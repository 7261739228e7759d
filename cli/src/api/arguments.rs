//! What commands take as arguments.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;

/// One argument of a [`Command`](super::Command): text, a path, bytes, or a number in decimal.
pub trait Argument {
    /// The argument as the command gets it.
    fn into_word(self) -> Bytes;
}

/// The arguments of one task of a [`Command`](super::Command): a single [`Argument`], or several in a tuple, an array or a
/// vector; `()` is none.
pub trait Arguments {
    /// The arguments as the command gets them.
    fn into_words(self) -> Vec<Bytes>;
}

macro_rules! argument {
    ($($type:ty: |$value:ident| $word:expr;)*) => {$(
        impl Argument for $type {
            fn into_word(self) -> Bytes {
                let $value = self;
                $word
            }
        }

        impl Arguments for $type {
            fn into_words(self) -> Vec<Bytes> {
                vec![self.into_word()]
            }
        }
    )*};
}

argument! {
    &str: |text| Bytes::copy_from_slice(text.as_bytes());
    String: |text| text.into();
    &String: |text| text.as_str().into_word();
    &OsStr: |text| Bytes::copy_from_slice(text.as_bytes());
    OsString: |text| text.into_vec().into();
    &Path: |path| path.as_os_str().into_word();
    PathBuf: |path| path.into_os_string().into_word();
    &PathBuf: |path| path.as_path().into_word();
    Bytes: |bytes| bytes;
    char: |character| character.to_string().into();
}

macro_rules! numbers {
    ($($type:ty)*) => {
        argument! { $($type: |number| number.to_string().into();)* }
    };
}

numbers! { i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize f32 f64 }

macro_rules! tuples {
    ($($($name:ident)*;)*) => {$(
        impl<$($name: Argument),*> Arguments for ($($name,)*) {
            fn into_words(self) -> Vec<Bytes> {
                #[expect(non_snake_case, reason = "a part is named as its type")]
                let ($($name,)*) = self;
                vec![$($name.into_word()),*]
            }
        }
    )*};
}

tuples! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
}

impl Arguments for () {
    fn into_words(self) -> Vec<Bytes> {
        Vec::new()
    }
}

impl<A: Argument, const N: usize> Arguments for [A; N] {
    fn into_words(self) -> Vec<Bytes> {
        self.into_iter().map(Argument::into_word).collect()
    }
}

impl<A: Argument> Arguments for Vec<A> {
    fn into_words(self) -> Vec<Bytes> {
        self.into_iter().map(Argument::into_word).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_what_a_shell_would_be_given() {
        let raw = OsStr::from_bytes(b"\xff a");
        let words = (raw, PathBuf::from("x/y"), -7i64, 0.5, 'c', "two words").into_words();
        assert_eq!(words, [&b"\xff a"[..], b"x/y", b"-7", b"0.5", b"c", b"two words"]);
        assert_eq!([1u8, 2].into_words(), vec![1u8, 2].into_words());
        assert!(().into_words().is_empty());
    }
}
