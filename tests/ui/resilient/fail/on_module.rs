use resilient::resilient;

#[resilient]
mod payments {
    pub(crate) fn charge() {}
}

fn main() {
    payments::charge();
}
