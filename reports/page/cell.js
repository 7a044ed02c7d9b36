// A crystal as balls and sticks: atoms with their images on the cell's faces, bonds by covalent radii, and the turned view.
(function (app) {
  "use strict";
  // Source: Cordero et al., Dalton Trans. 2008, 2832 (covalent radii, angstrom); the elements in the order of the table.
  const RADII = ("H .31 He .28 Li 1.28 Be .96 B .84 C .76 N .71 O .66 F .57 Ne .58 Na 1.66 Mg 1.41 Al 1.21 Si 1.11 P 1.07 S 1.05 Cl 1.02 Ar 1.06 " +
    "K 2.03 Ca 1.76 Sc 1.70 Ti 1.60 V 1.53 Cr 1.39 Mn 1.39 Fe 1.32 Co 1.26 Ni 1.24 Cu 1.32 Zn 1.22 Ga 1.22 Ge 1.20 As 1.19 Se 1.20 Br 1.20 Kr 1.16 " +
    "Rb 2.20 Sr 1.95 Y 1.90 Zr 1.75 Nb 1.64 Mo 1.54 Tc 1.47 Ru 1.46 Rh 1.42 Pd 1.39 Ag 1.45 Cd 1.44 In 1.42 Sn 1.39 Sb 1.39 Te 1.38 I 1.39 Xe 1.40 " +
    "Cs 2.44 Ba 2.15 La 2.07 Ce 2.04 Pr 2.03 Nd 2.01 Pm 1.99 Sm 1.98 Eu 1.98 Gd 1.96 Tb 1.94 Dy 1.92 Ho 1.92 Er 1.89 Tm 1.90 Yb 1.87 Lu 1.87 " +
    "Hf 1.75 Ta 1.70 W 1.62 Re 1.51 Os 1.44 Ir 1.41 Pt 1.36 Au 1.36 Hg 1.32 Tl 1.45 Pb 1.46 Bi 1.48 Po 1.40 At 1.50 Rn 1.50 " +
    "Fr 2.60 Ra 2.21 Ac 2.15 Th 2.06 Pa 2.00 U 1.96 Np 1.90 Pu 1.87 Am 1.80 Cm 1.69").split(" ");
  const radii = new Map();
  for (let i = 0; i < RADII.length; i += 2) radii.set(RADII[i], Number(RADII[i + 1]));
  const radius = function (symbol) { return radii.get(symbol) || 1.5; };
  const NONMETALS = new Set("H He B C N O F Ne Si P S Cl Ar Ge As Se Br Kr Sb Te I Xe At Rn".split(" "));
  const LONGER = 1.15;

  function cartesian(frac, lattice) {
    return [0, 1, 2].map(function (k) { return frac[0] * lattice[0][k] + frac[1] * lattice[1][k] + frac[2] * lattice[2][k]; });
  }
  // Atoms on a face of the cell are drawn on the opposite face too, as textbooks do.
  function images(frac) {
    const found = [frac.map(function (x) { return x - Math.floor(x + 1e-4); })];
    [0, 1, 2].forEach(function (k) {
      found.slice().forEach(function (f) { if (Math.abs(f[k]) < 0.02) { const g = f.slice(); g[k] += 1; found.push(g); } });
    });
    return found;
  }

  // Points around the middle of the cell, bonds as pairs of points, the cell's edges, and how far the whole reaches.
  app.scene = function (crystal) {
    if (crystal.scene) return crystal.scene;
    const lattice = crystal.structure.lattice, middle = cartesian([0.5, 0.5, 0.5], lattice);
    const centred = function (frac) { return cartesian(frac, lattice).map(function (x, k) { return x - middle[k]; }); };
    const points = [], bonds = [];
    crystal.structure.frac.forEach(function (frac, a) { images(frac).forEach(function (f) { points.push({ at: centred(f), atom: a, radius: radius(crystal.elements[a]) }); }); });
    const own = points.length;
    const salts = crystal.elements.some(function (e) { return NONMETALS.has(e); });
    const bonded = function (p, q) {
      const most = LONGER * (p.radius + q.radius), dx = p.at[0] - q.at[0], dy = p.at[1] - q.at[1], dz = p.at[2] - q.at[2], d2 = dx * dx + dy * dy + dz * dz;
      if (d2 > most * most || d2 < 0.16) return false;
      // in a compound with nonmetals, metals that lie close to each other are no bond
      return !salts || NONMETALS.has(crystal.elements[p.atom]) || NONMETALS.has(crystal.elements[q.atom]);
    };
    if (own <= 1500) for (let i = 0; i < own; i += 1) for (let j = i + 1; j < own; j += 1) if (bonded(points[i], points[j])) bonds.push([i, j]);
    // in small cells, neighbours outside complete the surroundings of the atoms inside; they are drawn paler
    if (crystal.atoms <= 24) {
      const steps = [-1, 0, 1], known = new Map();
      points.forEach(function (p) { known.set(p.at.map(function (x) { return x.toFixed(2); }).join(), true); });
      crystal.structure.frac.forEach(function (frac, a) {
        steps.forEach(function (x) { steps.forEach(function (y) { steps.forEach(function (z) {
          const f = frac.map(function (v, k) { return v - Math.floor(v + 1e-4) + [x, y, z][k]; });
          const q = { at: centred(f), atom: a, radius: radius(crystal.elements[a]), outside: true };
          const key = q.at.map(function (v) { return v.toFixed(2); }).join();
          if (known.has(key)) return;
          const near = [];
          for (let i = 0; i < own; i += 1) if (bonded(points[i], q)) near.push(i);
          if (!near.length) return;
          known.set(key, true);
          points.push(q);
          near.forEach(function (i) { bonds.push([i, points.length - 1]); });
        }); }); });
      });
    }
    const corner = function (i) { return centred([i & 1, (i >> 1) & 1, (i >> 2) & 1]); };
    const edges = [[0, 1], [0, 2], [0, 4], [1, 3], [1, 5], [2, 3], [2, 6], [3, 7], [4, 5], [4, 6], [5, 7], [6, 7]].map(function (e) { return e.map(corner); });
    // everything that is drawn lies within the view, whichever way it is turned
    const reach = Math.max.apply(null, points.map(function (p) { return Math.hypot.apply(null, p.at) + 0.34 * p.radius; }).concat(edges.map(function (e) { return Math.hypot.apply(null, e[0]); })));
    crystal.scene = { points: points, bonds: bonds, edges: edges, reach: reach + 0.1 };
    return crystal.scene;
  };

  // Turning: a matrix with the viewer's axes as rows.
  app.turned = function (matrix, about, angle) {
    const c = Math.cos(angle), s = Math.sin(angle), i = (about + 1) % 3, j = (about + 2) % 3;
    return matrix.map(function (row, k) {
      if (k === i) return matrix[i].map(function (v, n) { return c * v - s * matrix[j][n]; });
      if (k === j) return matrix[j].map(function (v, n) { return s * matrix[i][n] + c * v; });
      return row.slice();
    });
  };
  app.firstView = function () {
    let m = [[1, 0, 0], [0, 0, 1], [0, -1, 0]];
    m = app.turned(m, 1, -0.45);
    return app.turned(m, 0, 0.3);
  };

  // Draws one arm's view; returns the atoms' discs, front ones last, for pointing at them.
  app.paintCell = function (crystal, canvas, view, values, top) {
    const scene = app.scene(crystal), ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth || 320, height = canvas.clientHeight || 300;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const scale = view.zoom * Math.min(width, height) / (2 * scene.reach);
    const project = function (p) {
      const r = view.matrix.map(function (row) { return row[0] * p[0] + row[1] * p[1] + row[2] * p[2]; });
      return { x: width / 2 + scale * r[0], y: height / 2 - scale * r[1], z: r[2] };
    };
    const ink = app.ink("--ink"), line = app.ink("--line-strong");
    pen.strokeStyle = line;
    pen.lineWidth = 1;
    scene.edges.forEach(function (e) { const a = project(e[0]), b = project(e[1]); pen.beginPath(); pen.moveTo(a.x, a.y); pen.lineTo(b.x, b.y); pen.stroke(); });
    const discs = scene.points.map(function (p) { const at = project(p.at); return { x: at.x, y: at.y, z: at.z, atom: p.atom, outside: p.outside, r: Math.max(scale * 0.34 * p.radius, 3) }; });
    const things = discs.map(function (d) { return { z: d.z, disc: d }; });
    scene.bonds.forEach(function (b) { const p = discs[b[0]], q = discs[b[1]]; things.push({ z: (p.z + q.z) / 2 - 0.01, bond: [p, q] }); });
    things.sort(function (a, b) { return a.z - b.z; });
    const chosen = new Set(app.state.atoms.kind === "all" ? [] : app.chosenAtoms(crystal));
    const stick = Math.max(scale * 0.11, 1.5), named = crystal.atoms <= 40 && scale > 12;
    things.forEach(function (thing) {
      if (thing.bond) {
        const p = thing.bond[0], q = thing.bond[1];
        pen.globalAlpha = p.outside || q.outside ? 0.4 : 1;
        [[stick + 1.6, ink], [stick, line]].forEach(function (layer) {
          pen.lineWidth = layer[0];
          pen.strokeStyle = layer[1];
          pen.beginPath(); pen.moveTo(p.x, p.y); pen.lineTo(q.x, q.y); pen.stroke();
        });
        pen.globalAlpha = 1;
        return;
      }
      const d = thing.disc, colour = app.viridis(app.bent(values[d.atom] / top));
      pen.globalAlpha = d.outside ? 0.45 : 1;
      pen.beginPath();
      pen.arc(d.x, d.y, d.r, 0, 2 * Math.PI);
      pen.fillStyle = colour;
      pen.fill();
      pen.lineWidth = chosen.has(d.atom) ? 3 : 1;
      pen.strokeStyle = ink;
      pen.stroke();
      pen.globalAlpha = 1;
      if (named && d.r > 6 && !d.outside) {
        const rgb = colour.match(/\d+/g).map(Number);
        pen.fillStyle = 0.3 * rgb[0] + 0.59 * rgb[1] + 0.11 * rgb[2] > 130 ? "#000000" : "#ffffff";
        pen.font = "600 " + Math.min(d.r, 13) + "px " + app.ink("--sans");
        pen.textAlign = "center";
        pen.textBaseline = "middle";
        pen.fillText(crystal.elements[d.atom], d.x, d.y + 0.5);
      }
    });
    return discs.filter(function (d) { return !d.outside; }).sort(function (a, b) { return a.z - b.z; });
  };
})(window.crysmm);
