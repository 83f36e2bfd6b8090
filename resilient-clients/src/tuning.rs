//! What the builders of all clients have in common: a name, and changes of the layers.

use resilient_runtime::ResilienceConfig;

type Change = Box<dyn FnOnce(ResilienceConfig) -> ResilienceConfig + Send>;

/// The name of a client's operation, and what is changed of its layers.
pub(crate) struct Tuning {
    pub(crate) name: String,
    changes: Vec<Change>,
}

impl Tuning {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), changes: Vec::new() }
    }

    pub(crate) fn change(
        &mut self,
        change: impl FnOnce(ResilienceConfig) -> ResilienceConfig + Send + 'static,
    ) {
        self.changes.push(Box::new(change));
    }

    /// The layers of this kind of operation, as they were changed, one change after the other.
    #[track_caller]
    pub(crate) fn config(self, operation_type: &str) -> ResilienceConfig {
        let config = ResilienceConfig::new(self.name).operation_type(operation_type);
        self.changes.into_iter().fold(config, |config, change| change(config))
    }
}

/// Words of a builder, for the [`Tuning`] that it has in this field. What stands above each is said of it there, since what is so
/// without it differs.
macro_rules! words {
    (in $field:tt; $($(#[$doc:meta])* $word:ident;)+) => {
        $(words! { @ $word $field $(#[$doc])* })+
    };
    (@ name ($($field:tt)+) $(#[$doc:meta])*) => {
        $(#[$doc])*
        pub fn name(mut self, name: impl Into<String>) -> Self {
            self.$($field)+.name = name.into();
            self
        }
    };
    (@ timeout $field:tt $(#[$doc:meta])*) => {
        $(#[$doc])*
        pub fn timeout(self, limit: impl resilient_runtime::IntoDuration + Send + 'static) -> Self {
            self.layers(|layers| layers.timeout(limit))
        }
    };
    (@ deadline $field:tt $(#[$doc:meta])*) => {
        $(#[$doc])*
        pub fn deadline(self, limit: impl resilient_runtime::IntoDuration + Send + 'static) -> Self {
            self.layers(|layers| layers.deadline(limit))
        }
    };
    (@ max_attempts $field:tt $(#[$doc:meta])*) => {
        $(#[$doc])*
        pub fn max_attempts(self, attempts: u32) -> Self {
            self.layers(move |layers| layers.max_attempts(attempts))
        }
    };
    (@ layers ($($field:tt)+) $(#[$doc:meta])*) => {
        $(#[$doc])*
        pub fn layers(
            mut self,
            tune: impl FnOnce(resilient_runtime::ResilienceConfig) -> resilient_runtime::ResilienceConfig
            + Send
            + 'static,
        ) -> Self {
            self.$($field)+.change(tune);
            self
        }
    };
}

pub(crate) use words;
