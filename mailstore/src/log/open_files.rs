//! Which files of segments are open: a store of a terabyte has more segments than a process has descriptors.
//!
//! A segment opens its file when it is first read and may lose it again when others are; whoever is reading keeps
//! it. The oldest opened goes first. The committer holds the file that it writes to by itself.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::segment::{Segment, file_name};
use crate::disk::{Disk, File};

/// The files of all segments of a log.
pub(crate) struct OpenFiles {
    disk: Arc<dyn Disk>,
    max: usize,
    opened: Mutex<VecDeque<Weak<Segment>>>,
}

impl OpenFiles {
    pub(crate) fn new(disk: Arc<dyn Disk>, max: usize) -> Arc<Self> {
        Arc::new(Self { disk, max, opened: Mutex::default() })
    }

    fn note(&self, segment: &Arc<Segment>) {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.push_back(Arc::downgrade(segment));
        while opened.len() > self.max {
            if let Some(oldest) = opened.pop_front().and_then(|oldest| oldest.upgrade()) {
                oldest.file.close();
            }
        }
    }
}

/// The file of one segment, open or not.
pub(crate) struct SegmentFile {
    files: Arc<OpenFiles>,
    file: Mutex<Option<Arc<dyn File>>>,
    /// Its name is gone: it cannot be opened again.
    kept: AtomicBool,
}

impl SegmentFile {
    pub(crate) fn new(files: &Arc<OpenFiles>) -> Self {
        Self { files: Arc::clone(files), file: Mutex::default(), kept: AtomicBool::new(false) }
    }

    fn close(&self) {
        if !self.kept.load(Ordering::Acquire) {
            self.file.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }
}

impl Segment {
    /// The file, which is opened if it is not.
    pub(crate) fn open(self: &Arc<Self>) -> io::Result<Arc<dyn File>> {
        let mut slot = self.file.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = slot.as_ref() {
            return Ok(Arc::clone(file));
        }
        let name = file_name(self.header.id, self.header.kind);
        let file: Arc<dyn File> = self.file.files.disk.open(&name)?.into();
        *slot = Some(Arc::clone(&file));
        drop(slot);
        self.file.files.note(self);
        Ok(file)
    }

    /// Opens the file for as long as the segment is held by anyone, since its name is about to go.
    pub(crate) fn keep_open(self: &Arc<Self>) -> io::Result<()> {
        self.file.kept.store(true, Ordering::Release);
        self.open().map(drop)
    }
}
