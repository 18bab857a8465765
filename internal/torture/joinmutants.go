package main

// Bugs in how two tables are joined: what is the same, what is there, and what is believed.
var joinMutants = []mutant{
	{
		name: "a page is given up by who still looks at it", file: "copier/joinwindow.go", part: "joins",
		old: "		if !keep {\n			s.release(p)\n			return sighting{}\n		}\n",
		new: "		s.release(p)\n		if !keep {\n			return sighting{}\n		}\n		p.refs.Add(1)\n",
	},
	{
		name: "what differs by old reads is not read again", file: "table/sync.go", part: "schedules", where: "stale at",
		old: "Filtered: filtered(s.Slice), Eventual: s.Eventual,", new: "Filtered: filtered(s.Slice),",
	},
	{
		name: "a table is empty that an old read shows so", file: "copier/joinjudge.go", part: "tests", where: "./table TestEventualReadsAreHints",
		old: "j.Partial || j.Eventual || j.Stats", new: "j.Partial || j.Stats",
	},
	{
		name: "what a filter hides is written", file: "copier/joinjudge.go", part: "tests", where: "./table TestFilterHidesItemsOfTheSource",
		old: "p.hidden = !p.shown || now != p.shownAs", new: "p.hidden = p.shown && now != p.shownAs",
	},
	{
		name: "what has changed behind a filter is written", file: "copier/joinjudge.go", part: "tests", where: "./copier TestJoinBehindAFilter",
		old: "p.hidden = !p.shown || now != p.shownAs", new: "p.hidden = !p.shown || now == 0",
	},
	{
		name: "what a filter hides fails the verification", file: "table/copy.go", part: "tests", where: "./table TestFilterHidesItemsOfTheSource",
		old: "if !d.Hidden && (d.Kind", new: "if (d.Kind",
	},
	{
		name: "what a list begins with is forgotten", file: "item/digest.go", part: "values",
		old: "	sum := secretFirst\n	i, err := d.Elements(i, func(i int) (int, error) {\n		v, i, err := d.value(i, depth)\n		sum = fold(sum^v, secretElement) + secretNext\n",
		new: "	sum := secretList\n	i, err := d.Elements(i, func(i int) (int, error) {\n		v, i, err := d.value(i, depth)\n		sum = fold(sum^v, secretElement) + secretList\n",
	},
}
