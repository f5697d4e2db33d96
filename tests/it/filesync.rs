//! What arrives of a context when bakeoff builds: the same as when the docker client does, on a real Docker Engine.

mod cases;
mod client;
mod contexts;
mod image;
mod leaks;
mod services;
mod unreadable;
