package faultfs

import (
	"errors"
	"io"
	"os"
	"sync"
)

const pageSize = 4096

// inode is one file's content, whatever names it has: the host file holds what is durable, pages what is not yet.
type inode struct {
	fs   *FS
	host *os.File // the durable bytes; a file in FS.inodeDir or one that an earlier process left under its name

	mu    sync.RWMutex
	pages map[int64]*[pageSize]byte // whole pages, by page number, that differ from the host file
	size  int64                     // the file's size as this process sees it; the host file's is the durable one
}

// readAt reads as io.ReaderAt does.
func (n *inode) readAt(p []byte, off int64) (int, error) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if off >= n.size {
		return 0, io.EOF
	}
	want := p
	if rest := n.size - off; int64(len(want)) > rest {
		want = want[:rest]
	}
	for done := 0; done < len(want); {
		at := off + int64(done)
		chunk := want[done:min(len(want), done+int(pageSize-at%pageSize))]
		if page := n.pages[at/pageSize]; page != nil {
			copy(chunk, page[at%pageSize:])
		} else if err := readDurable(n.host, chunk, at); err != nil {
			return done, err
		}
		done += len(chunk)
	}
	if len(want) < len(p) {
		return len(want), io.EOF
	}
	return len(want), nil
}

// readDurable fills p from the host file; what lies beyond its end reads as zeros.
func readDurable(f *os.File, p []byte, off int64) error {
	k, err := f.ReadAt(p, off)
	if errors.Is(err, io.EOF) {
		clear(p[k:])
		return nil
	}
	return err
}

// writeAt keeps p in memory; a page is written down at once with the probability of Options.Writeback.
func (n *inode) writeAt(p []byte, off int64) error {
	if err := n.fs.faults.beforeWrite(); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if grow := off + int64(len(p)) - n.size; grow > 0 {
		if err := n.fs.faults.reserve(grow); err != nil {
			return err
		}
	}
	for done := 0; done < len(p); {
		at := off + int64(done)
		chunk := p[done:min(len(p), done+int(pageSize-at%pageSize))]
		page, err := n.dirtyPage(at / pageSize)
		if err != nil {
			return err
		}
		copy(page[at%pageSize:], chunk)
		done += len(chunk)
		n.size = max(n.size, at+int64(len(chunk)))
		if n.fs.faults.writeback() {
			if err := n.persistPage(at/pageSize, page); err != nil {
				return err
			}
		}
	}
	return nil
}

// dirtyPage returns the page in memory, brought in from the host file if need be. The caller holds mu.
func (n *inode) dirtyPage(number int64) (*[pageSize]byte, error) {
	if page := n.pages[number]; page != nil {
		return page, nil
	}
	page := new([pageSize]byte)
	if err := readDurable(n.host, page[:], number*pageSize); err != nil {
		return nil, err
	}
	n.pages[number] = page
	return page, nil
}

// persistPage writes one page down, not beyond the file's size. The caller holds mu.
func (n *inode) persistPage(number int64, page *[pageSize]byte) error {
	off := number * pageSize
	_, err := n.host.WriteAt(page[:min(pageSize, n.size-off)], off)
	return err
}

// sync writes everything down. A kill in the midst of it leaves some pages old: sync had not returned.
func (n *inode) sync() error {
	verdict, err := n.fs.faults.beforeSync()
	if err != nil || verdict == syncLies {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for number, page := range n.pages {
		if err := n.persistPage(number, page); err != nil {
			return err
		}
	}
	clear(n.pages)
	return nil
}
