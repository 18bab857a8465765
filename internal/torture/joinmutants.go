package main

// Bugs in how two tables are joined: what is the same, what is there, and what is believed.
var joinMutants = []mutant{
	{
		name: "a page is given up by who still looks at it", file: "copier/joinwindow.go", part: "joins",
		old: "		if !keep {\n			s.release(p)\n			return sighting{}\n		}\n",
		new: "		s.release(p)\n		if !keep {\n			return sighting{}\n		}\n		p.refs.Add(1)\n",
	},
	{
		name: "what a list begins with is forgotten", file: "item/digest.go", part: "values",
		old: "	sum := secretFirst\n	i, err := d.Elements(i, func(i int) (int, error) {\n		v, i, err := d.value(i, depth)\n		sum = fold(sum^v, secretElement) + secretNext\n",
		new: "	sum := secretList\n	i, err := d.Elements(i, func(i int) (int, error) {\n		v, i, err := d.value(i, depth)\n		sum = fold(sum^v, secretElement) + secretList\n",
	},
}
