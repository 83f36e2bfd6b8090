//! Where and when it was measured.

use std::process::Command;

pub struct Machine {
    pub date: String,
    pub processor: String,
    pub cores: usize,
    pub system: String,
    pub compiler: String,
    /// Others that were at work when the run began.
    pub load: String,
}

pub fn read() -> Machine {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    Machine {
        date: said(Command::new("date").args(["-u", "+%Y-%m-%d"])),
        processor: model.map_or("an unknown processor", |(_, name)| name.trim()).to_owned(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        system: said(Command::new("uname").args(["-sr"])),
        compiler: said(Command::new("rustc").arg("--version")),
        load: load.split(' ').next().unwrap_or("unknown").to_owned(),
    }
}

fn said(command: &mut Command) -> String {
    command
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default()
}
