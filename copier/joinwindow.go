package copier

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/dynamo-cmdline/dynamo/item"
)

// The window holds what waits for its other half, by key. It is cut into
// shards by the key's hash: readers hardly ever wait for each other, and what is spilled stays apart.
type window struct {
	*join
	shards [windowShards]shard
	spill  spill
}

const (
	windowShards = 16
	chunkSize    = 16 << 10 // a shard's memory grows by so much, or less where it has little
	waitingSize  = 64       // of an entry in the index, with the room that a map leaves
)

// A shard is a part of the window.
type shard struct {
	*window
	limit int64 // bytes to hold outside of pages

	mu     sync.Mutex
	index  map[item.KeyHash]waiting
	chunks [][]byte // the payloads; only appended to, so that who has found one may keep it
	size   int64    // bytes of chunks
	live   int64    // bytes of payloads that still wait
	held   int64    // items outside of pages
	said   int64    // what it took when that was last counted
	thin   bool     // items move out of their pages as digests and keys
	runs   []section
}

// waiting is one item that waits. It has no pointers: the collector need not
// look at millions of them.
type waiting struct {
	digest item.Digest // where it is thin
	place  uint32      // the number of its page, or of its chunk
	at     uint32      // its index in the page, or its offset in the chunk
	which  uint8
	form   form
}

// A form is how an item waits.
type form uint8

const (
	inPage form = iota
	copied      // its payload is the item
	thin        // its payload is the key
)

// A sighting is what is known of one half of a pair.
type sighting struct {
	seen   bool
	item   item.Item   // nil where it is no longer in memory
	key    []byte      // where the item is nil
	digest item.Digest // where the item is nil
	page   *joinPage   // of the item; a reference to it is held
	place  int         // among the items that the page's lane has read
}

func newWindow(j *join) *window {
	w := &window{join: j, spill: spill{dir: j.Dir, create: j.spillFile}}
	for i := range w.shards {
		w.shards[i] = shard{window: w, limit: j.Memory / windowShards, index: make(map[item.KeyHash]waiting)}
	}
	return w
}

func (w *window) shard(hash item.KeyHash) *shard { return &w.shards[hash[0]%windowShards] }

// A meeting is what became of an item that came to the window.
type meeting int

const (
	waits  meeting = iota // for its other half
	paired                // its other half was there
	alone                 // its other half cannot come any more
)

// meet brings an item of a page to the window. What waits there is its other half (which then
// leaves), an earlier sighting of the same item (which this one replaces), or nothing.
func (w *window) meet(which int, p *joinPage, i int, complete bool) (sighting, meeting) {
	hash := p.hashes[i]
	s := w.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	met, ok := s.index[hash]
	if ok && int(met.which) != which {
		delete(s.index, hash)
		return s.leave(met, true), paired
	}
	if ok {
		s.leave(met, false)
		w.Stats.again[which].Add(1)
	} else if complete && len(s.runs) == 0 {
		return sighting{}, alone
	}
	s.index[hash] = waiting{place: p.number, at: uint32(i), which: uint8(which), form: inPage}
	p.refs.Add(1)
	return sighting{}, waits
}

// leave settles the accounts of an entry that waits no longer, and returns it where it is to be
// kept: with the reference to its page that it had while it waited. One that was given up and taken
// anew could come too late.
func (s *shard) leave(met waiting, keep bool) sighting {
	if met.form == inPage {
		p := s.all[met.place]
		if !keep {
			s.release(p)
			return sighting{}
		}
		return sighting{seen: true, item: p.Items[met.at], page: p, place: p.first + int(met.at)}
	}
	payload := s.payload(met)
	s.held--
	s.Stats.waiting.add(-1)
	s.live -= int64(len(payload))
	return s.sighting(met)
}

// sighting is what is known of an item outside of pages.
func (s *shard) sighting(met waiting) sighting {
	payload := s.payload(met)
	if met.form == copied {
		return sighting{seen: true, item: payload}
	}
	return sighting{seen: true, key: payload, digest: met.digest}
}

func (s *shard) payload(met waiting) []byte {
	b := s.chunks[met.place][met.at:]
	n, size := binary.Uvarint(b)
	return b[size : size+int(n) : size+int(n)]
}

// settleAll moves everything out of the pages.
func (w *window) settleAll() error {
	for _, p := range w.all {
		if err := w.settle(p); err != nil {
			return err
		}
	}
	return nil
}

// settle moves the items that still wait in a page out of it.
func (w *window) settle(p *joinPage) error {
	for i := range p.hashes {
		if p.refs.Load() == 1 { // the caller's own: nothing waits here any more
			break
		}
		if err := w.shard(p.hashes[i]).settle(p, i); err != nil {
			return err
		}
	}
	return nil
}

func (s *shard) settle(p *joinPage, i int) error {
	hash := p.hashes[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	met, ok := s.index[hash]
	if !ok || met.form != inPage || met.place != p.number || int(met.at) != i {
		return nil
	}
	s.Stats.waiting.add(1)
	met.form = copied
	if err := s.store(hash, met, p.Items[i]); err != nil {
		return err
	}
	s.release(p)
	if s.taken() > s.limit {
		if err := s.relieve(); err != nil {
			return err
		}
	}
	s.Stats.held.add(s.taken() - s.said)
	s.said = s.taken()
	return nil
}

// taken is how many bytes the shard takes outside of pages.
func (s *shard) taken() int64 { return s.size + s.held*waitingSize }

// store keeps the payload of an item, made thin where that is the rule now.
func (s *shard) store(hash item.KeyHash, w waiting, payload []byte) error {
	if w.form == copied && s.thin {
		var err error
		if payload, w.digest, err = s.thinned(int(w.which), payload); err != nil {
			return err
		}
		w.form = thin
	}
	need := len(payload) + binary.MaxVarintLen32
	last := len(s.chunks) - 1
	if last < 0 || cap(s.chunks[last])-len(s.chunks[last]) < need {
		s.chunks = append(s.chunks, make([]byte, 0, max(need, int(min(chunkSize, s.limit/4)))))
		last++
		s.size += int64(cap(s.chunks[last]))
	}
	w.place, w.at = uint32(last), uint32(len(s.chunks[last]))
	s.chunks[last] = append(binary.AppendUvarint(s.chunks[last], uint64(len(payload))), payload...)
	s.index[hash] = w
	s.held++
	s.live += int64(len(payload))
	return nil
}

// thinned reduces an item to its key and its digest.
func (s *shard) thinned(which int, it item.Item) (key []byte, digest item.Digest, err error) {
	found, err := item.Parse(it, s.Schema)
	if err == nil {
		digest, err = it.Digest()
	}
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", halfNames[which], err)
	}
	return found.AppendKey(nil, s.Schema), digest, nil
}

// relieve makes room: it closes the gaps that pairs have left, then keeps
// digests and keys instead of items, then spills.
func (s *shard) relieve() error {
	roomy := func() bool { return s.live+s.held*waitingSize <= s.limit/2 }
	if roomy() {
		return s.compact()
	}
	if !s.thin {
		s.thin = true
		if err := s.compact(); err != nil || roomy() {
			return err
		}
	}
	return s.spillOut()
}

// compact moves what is still needed into new chunks.
func (s *shard) compact() error {
	old := s.chunks
	s.chunks, s.size, s.live, s.held = nil, 0, 0, 0
	for hash, w := range s.index {
		if w.form == inPage {
			continue
		}
		from := shard{chunks: old}
		if err := s.store(hash, w, from.payload(w)); err != nil {
			return err
		}
	}
	return nil
}

// spillOut moves all that waits outside of pages into a sorted section of the file.
func (s *shard) spillOut() error {
	var all []spilled
	stay := make(map[item.KeyHash]waiting)
	for hash, w := range s.index {
		if w.form == inPage {
			stay[hash] = w
			continue
		}
		r := spilled{hash: hash, which: w.which, digest: w.digest, key: s.payload(w)}
		if w.form == copied {
			var err error
			if r.key, r.digest, err = s.thinned(int(w.which), r.key); err != nil {
				return err
			}
		}
		all = append(all, r)
	}
	if len(all) == 0 {
		return nil
	}
	run, err := s.spill.write(all)
	if err != nil {
		return err
	}
	s.Stats.spilled.Add(int64(len(all)))
	s.Stats.waiting.add(-int64(len(all)))
	s.runs = append(s.runs, run)
	s.index, s.chunks, s.size, s.live, s.held = stay, nil, 0, 0, 0
	return nil
}
