//! The requests of a machine, each with an answer of its own type.

/// Makes of a list `Name(Request) -> Answer` the trait `Request`, and the enums `Input` and `Reply`, which are the
/// input and the reply of a [`Machine`](super::Machine).
macro_rules! requests {
    ($($name:ident($request:ty) -> $answer:ty,)*) => {
        /// A request with an answer of its own type.
        pub trait Request: Sized {
            /// What comes back.
            type Answer;
            /// The request among all others.
            fn into_input(self) -> Input;
            /// The answer to a request of this type.
            fn answer(reply: Reply) -> Option<Self::Answer>;
        }

        /// All requests.
        #[derive(Clone, Debug)]
        pub enum Input {
            $(#[doc = concat!("See [`", stringify!($request), "`].")] $name($request),)*
        }

        /// All answers.
        #[derive(Clone, PartialEq, Debug)]
        pub enum Reply {
            $(#[doc = concat!("To ", stringify!($name), ".")] $name($answer),)*
        }

        $(impl Request for $request {
            type Answer = $answer;
            fn into_input(self) -> Input {
                Input::$name(self)
            }
            fn answer(reply: Reply) -> Option<$answer> {
                if let Reply::$name(answer) = reply { Some(answer) } else { None }
            }
        })*
    };
}
pub(crate) use requests;
