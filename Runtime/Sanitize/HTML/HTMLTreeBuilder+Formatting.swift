/// The list of active formatting elements, and the adoption agency: what browsers do with `<b><p></b>`.
extension HTMLTreeBuilder {
    // Some methods that change nothing are `mutating` all the same: the others are handed a copy of the whole structure, at every call.

    mutating func lastActive(_ tag: HTMLTag) -> Int? {
        var index = formatting.count - 1
        while index >= 0 {
            if tree[formatting[index]].tag == tag { return index }
            index -= 1
        }
        return nil
    }

    mutating func forget(_ node: Int32) {
        guard let index = formatting.lastIndex(of: node) else { return }
        dropActive(index)
    }

    /// Forgets the element at a place of the list.
    mutating func dropActive(_ index: Int) {
        tree.deactivate(formatting[index])
        formatting.remove(at: index)
    }

    /// Adds a formatting element. Of four alike, the first is forgotten.
    mutating func remember(_ node: Int32) {
        var alike = 0
        var oldest = 0
        var index = formatting.count - 1
        while index >= 0 {
            steps += 1
            if isAlike(formatting[index], node) {
                alike += 1
                oldest = index
                if alike == 3 { break }
            }
            index -= 1
        }
        if alike == 3 { dropActive(oldest) }
        if formatting.count >= HTMLTreeBuilder.active { dropActive(0) }
        formatting.append(node)
        tree[node].isActive = true
    }

    private mutating func isAlike(_ one: Int32, _ other: Int32) -> Bool {
        let (one, other) = (tree[one], tree[other])
        guard one.tag == other.tag, one.end - one.start == other.end - other.start else { return false }
        guard one.start != other.start else { return true }
        let length = Int(one.end - one.start)
        let (a, b) = (Int(one.start), Int(other.start))
        for index in 0..<length where tree.bytes[a + index] != tree.bytes[b + index] { return false }
        return true
    }

    /// Whether a copy of `node` may be made without growing beyond the bound.
    private mutating func affords(_ node: Int32) -> Bool {
        let cost = tree[node].tag.cost + Int(tree[node].end - tree[node].start)
        guard spent + cost <= HTMLTreeBuilder.growth * consumed, copied + cost <= consumed / 4 + HTMLTreeBuilder.copies else {
            return false
        }
        spent += cost
        copied += cost
        return true
    }

    /// Opens again what a block closed by accident.
    @inline(__always)
    mutating func reconstruct() {
        guard let last = formatting.last, !tree[last].isOpen else { return }
        reopen()
    }

    private mutating func reopen() {
        var index = formatting.count - 1
        while index > 0, !tree[formatting[index - 1]].isOpen { index -= 1 }
        while index < formatting.count {
            steps += 1
            let old = formatting[index]
            guard stack.count < HTMLTreeBuilder.depth, affords(old) else {
                for later in index..<formatting.count { tree.deactivate(formatting[later]) }
                formatting.cut(to: index)
                return
            }
            let node = tree.appendCopy(of: old, to: current)
            tree.deactivate(old)
            push(node)
            tree[node].isActive = true
            formatting[index] = node
            index += 1
        }
    }

    /// The end tag of a formatting element (or of a link, when another one begins).
    mutating func adopt(_ tag: HTMLTag) {
        guard open[Int(tag.rawValue & 63)] > 0 || lastActive(tag) != nil else { return }
        if let last = stack.last, tree[last].tag == tag {
            // Not remembered, or the one remembered last: it closes like any other element.
            if !tree[last].isActive || formatting.last == last {
                pop()
                if tree[last].isActive { dropActive(formatting.count - 1) }
                return
            }
        }
        for _ in 0..<8 {
            guard let place = lastActive(tag) else {
                endOther(tag)
                return
            }
            let element = formatting[place]
            guard tree[element].isOpen, let index = stack.lastIndex(of: element) else {
                dropActive(place)
                return
            }
            steps += stack.count - index
            let block = firstSpecial(above: index)
            if block != nil, !tree.keepsNodes {
                tree.needsNodes = true
                return
            }
            guard let block, adopt(place, index, block) else {
                pop(to: index)
                if tree[element].isActive { forget(element) }
                return
            }
        }
    }

    private mutating func firstSpecial(above index: Int) -> Int? {
        var at = index + 1
        while at < stack.count {
            if tree[stack[at]].tag.isIn(HTMLTag.special) { return at }
            at += 1
        }
        return nil
    }

    /// One round: the block at `block` of the stack leaves the element at `index`, and takes a copy of it along around its own content.
    /// `false`, and nothing done, when the copies would cost too much.
    private mutating func adopt(_ place: Int, _ index: Int, _ block: Int) -> Bool {
        let element = formatting[place]
        let furthest = stack[block]
        let ancestor = index > 0 ? stack[index - 1] : 0
        guard affordsRound(element, index, block) else { return false }

        var bookmark = place
        var inner = 0
        var above = block - 1
        var last = furthest
        var lower = block
        while above > index {
            steps += 1
            inner += 1
            let old = stack[above]
            if inner > 3, tree[old].isActive {
                if let at = formatting.lastIndex(of: old) {
                    formatting.remove(at: at)
                    if at < bookmark { bookmark -= 1 }
                }
                tree[old].isActive = false
            }
            guard tree[old].isActive, let at = formatting.lastIndex(of: old) else {
                stack.remove(at: above)
                close(old)
                lower -= 1
                above -= 1
                continue
            }
            let copy = tree.make(tree[old].tag, tree[old].start, tree[old].end)
            replace(old, by: copy, at: above)
            formatting[at] = copy
            tree[old].isActive = false
            tree[copy].isActive = true
            if last == furthest { bookmark = at + 1 }
            tree.detach(last)
            tree.attach(last, to: copy)
            last = copy
            above -= 1
        }
        tree.detach(last)
        tree.attach(last, to: ancestor)

        let copy = tree.make(tree[element].tag, tree[element].start, tree[element].end)
        tree.moveChildren(of: furthest, to: copy)
        tree.attach(copy, to: furthest)
        if let at = formatting.lastIndex(of: element) {
            formatting.remove(at: at)
            if at < bookmark { bookmark -= 1 }
        }
        tree[element].isActive = false
        formatting.insert(copy, at: min(max(bookmark, 0), formatting.count))
        tree[copy].isActive = true

        stack.remove(at: index)
        close(element)
        stack.insert(copy, at: min(lower, stack.count))
        tree[copy].isOpen = true
        open[Int(tree[copy].tag.rawValue & 63)] += 1
        return true
    }

    private mutating func replace(_ old: Int32, by copy: Int32, at index: Int) {
        stack[index] = copy
        tree[old].isOpen = false
        tree[copy].isOpen = true
    }

    /// Whether all copies that a round makes are within the bound; then they are paid for.
    private mutating func affordsRound(_ element: Int32, _ index: Int, _ block: Int) -> Bool {
        let before = (spent, copied)
        guard affords(element) else { return false }
        // Of what lies between, only the three innermost can be copied.
        for at in max(index + 1, block - 3)..<block where tree[stack[at]].isActive {
            guard affords(stack[at]) else {
                (spent, copied) = before
                return false
            }
        }
        return true
    }
}
