package copier

import (
	"context"
	"fmt"

	"github.com/dynamo-cmdline/dynamo/item"
)

// This file is about a source behind a filter, which has items that it does not show.

// forget drops what is known of one half of a suspect. What a filter has let through is remembered by its value.
func (j *judge) forget(p *suspect, which int) (err error) {
	h := &p.halves[which]
	if which == sourceHalf && j.halves[which].Shown != nil && h.seen {
		p.shown, p.shownAs = true, h.digest
		if h.item != nil {
			if p.shownAs, err = h.item.Digest(); err != nil {
				return fmt.Errorf("%s: %w", halfNames[which], err)
			}
		}
	}
	if h.page != nil {
		j.release(h.page)
	}
	*h = sighting{}
	return nil
}

// hide says of a source item that was read back whether it is hidden: it is, but where it was shown, as it is.
func (p *suspect) hide() error {
	now, err := p.halves[sourceHalf].item.Digest()
	if err != nil {
		return fmt.Errorf("%s: %w", halfNames[sourceHalf], err)
	}
	p.hidden = !p.shown || now != p.shownAs
	return nil
}

// showAgain asks of what was shown, and is something else by now, whether the filter lets that through.
func (j *judge) showAgain(ctx context.Context) error {
	var now page
	for i := range j.batch {
		p := &j.batch[i]
		if !p.shown || !p.hidden {
			continue
		}
		h := j.halves[sourceHalf]
		src, err := h.Shown(p.key)
		if err != nil {
			return err
		}
		c := cutter{run: &run{Options: h.Options, src: src, source: h.source, reading: h.reading}}
		for from := item.Cursor(nil); ; from = now.Next {
			if err := c.read(ctx, 0, from, &now); err != nil {
				return err
			}
			for _, it := range now.Items {
				p.halves[sourceHalf] = sighting{}
				if err := j.took(sourceHalf, p, it); err != nil {
					return err
				}
				p.hidden = false
			}
			if now.Next == nil {
				break
			}
		}
		j.Stats.readBack.Add(1)
	}
	return nil
}
