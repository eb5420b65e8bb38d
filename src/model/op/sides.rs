//! How options are set that have a value down and one across.

/// A kernel of its own height and width, and for each option a setter of one value for both directions and a setter
/// of each.
macro_rules! sided_setters {
    ($kind:ty: $($(#[doc = $doc:literal])+ $both:ident, $each:ident);+ $(;)?) => {
        impl $kind {
            /// A kernel of its own height and width.
            pub fn kernel(mut self, height: i64, width: i64) -> Self {
                self.kernel = [height, width];
                self
            }
            $(
                $(#[doc = $doc])+
                pub fn $both(self, both: i64) -> Self {
                    self.$each(both, both)
                }

                #[doc = concat!("[`", stringify!($both), "`](Self::", stringify!($both), ") with a value of its own down and across.")]
                pub fn $each(mut self, down: i64, across: i64) -> Self {
                    self.$both = [down, across].into();
                    self
                }
            )+
        }
    };
}

pub(super) use sided_setters;
