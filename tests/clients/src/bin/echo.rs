//! A server for the tests of `Process` and `Proxy`: it sends back what it is sent, and says to each new connection which
//! of its starts on this folder it is.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::{env, fs, thread};

fn main() -> io::Result<()> {
    let mut said = env::args().skip(1);
    let (Some(port), Some(folder)) = (said.next(), said.next()) else {
        return Err(io::Error::other("echo PORT FOLDER"));
    };
    let starts = PathBuf::from(folder).join("starts");
    let mut all = fs::read(&starts).unwrap_or_default();
    all.push(b'*');
    fs::write(&starts, &all)?;
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, port.parse().map_err(|_| io::Error::other("no port"))?))?;
    for stream in listener.incoming() {
        let mut stream = stream?;
        let which = all.len();
        thread::spawn(move || -> io::Result<()> {
            stream.write_all(format!("{which}\n").as_bytes())?;
            let mut buffer = [0; 1024];
            loop {
                match stream.read(&mut buffer)? {
                    0 => return Ok(()),
                    read => stream.write_all(&buffer[..read])?,
                }
            }
        });
    }
    Ok(())
}
