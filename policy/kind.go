package policy

// A kind is one row of the table "What can hold a change".
type kind struct {
	window     windowRule
	cooldown   bool
	account    Account
	validation validationRule
}

type windowRule uint8

const (
	windowNever windowRule = iota
	windowIfLiveBound
	windowAlways
)

type validationRule uint8

const (
	supersedesValidation validationRule = iota
	waitsForSameResource
	waitsForAny
)

// The table. Mode approve holds each of them.
var (
	growthLive      = kind{windowIfLiveBound, true, Regular, supersedesValidation}
	growthEmergency = kind{windowNever, false, Emergencies, supersedesValidation}
	growthEvidence  = kind{windowNever, false, Free, supersedesValidation} // right-size on throttle, PSI or OOM
	decreaseLive    = kind{windowIfLiveBound, true, Regular, waitsForSameResource}
	anyRestart      = kind{windowAlways, true, Regular, waitsForAny}
	// Operations have no row of their own there. They shift load instead of adding capacity, so they
	// cost no budget that a growth may need, and repeat no faster than a growth.
	operationLive      = kind{windowIfLiveBound, true, Free, waitsForSameResource}
	operationEmergency = kind{windowNever, true, Free, supersedesValidation}
)

// kindOf finds the row for d. A strategy that is not known counts as a restart. A move to other
// processors is held as a decrease is: it adds nothing that could be urgent.
func kindOf(d Decision) kind {
	emergency := d.Verdict == Emergency
	switch {
	case d.Strategy != Live:
		return anyRestart
	case d.Direction == Operation && emergency:
		return operationEmergency
	case d.Direction == Operation:
		return operationLive
	case d.Direction != Growth:
		return decreaseLive
	case d.Source == FromRightsize && d.Evidence != "":
		return growthEvidence
	case emergency:
		return growthEmergency
	}
	return growthLive
}
